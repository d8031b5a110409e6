package settings

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"skiff/state"
)

// ReadMounts reads a file with mounts for every container, SOURCE[:TARGET] a
// line, see containers-mounts.conf(5). A source that is not there is left out,
// and a file that is not there has none.
//
// Where Podman gives a container a copy of the source, skiff shows it the source
// read-only: neither lets it change what is the host's.
func ReadMounts(path string) ([]state.Mount, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the default mounts file %q: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	var out []state.Mount
	lines := bufio.NewScanner(io.LimitReader(f, maxFile))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		source, target, given := strings.Cut(line, ":")
		if !given {
			target = source
		}
		if !filepath.IsAbs(source) || !filepath.IsAbs(target) || filepath.Clean(target) == "/" {
			return nil, fmt.Errorf("cannot use the line %q of %q: want SOURCE[:TARGET], absolute paths", line, path)
		}
		if source, err = filepath.EvalSymlinks(source); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot use the line %q of %q: %w", line, path, err)
		}
		out = append(out, state.Mount{Type: state.MountBind, Source: source, Target: filepath.Clean(target), ReadOnly: true})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the default mounts file %q: %w", path, err)
	}
	return out, nil
}

// mountsError is a bad entry of containers.mounts, which scripts know by Podman's
// words.
type mountsError struct{ err error }

func (e *mountsError) Error() string { return "parsing containers.conf mounts: " + e.err.Error() }
func (e *mountsError) Unwrap() error { return e.err }

func mounts(dst *[]state.Mount, read func(string) ([]state.Mount, error)) setter {
	set := many(dst, read)
	return func(v any) error {
		if err := set(v); err != nil {
			return &mountsError{err}
		}
		return nil
	}
}
