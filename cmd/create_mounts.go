package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"skiff/cmd/parse"
	"skiff/state"
)

// mountsOf reads one --mount value, which stands for several mounts where it is a
// pattern, and looks at what it names on the host.
func mountsOf(s, cwd string) ([]state.Mount, error) {
	m, err := parse.MountSpec(s, cwd)
	if err != nil {
		return nil, err
	}
	switch m.Type {
	case parse.Glob:
		return matches(m)
	case state.MountBind:
		if _, err := os.Stat(m.Source); err != nil && !m.MakeSource {
			return nil, fmt.Errorf("invalid mount %q: the bind source path does not exist: %w", s, err)
		}
	case state.MountTmpfs:
		if os.Geteuid() != 0 && slices.Contains(m.Options, "noswap") {
			return nil, fmt.Errorf("invalid mount %q: the 'noswap' option is only allowed with rootful tmpfs mounts", s)
		}
	}
	return []state.Mount{m}, nil
}

// configuredMounts reads an entry of containers.conf. What is not there on the host
// is nothing to complain of before a container is made: a pattern is for what only
// some machines have.
func configuredMounts(s string) ([]state.Mount, error) {
	m, err := parse.MountSpec(s, "/")
	if err != nil {
		return nil, err
	}
	if m.Type != parse.Glob {
		return []state.Mount{m}, nil
	}
	list, err := matches(m)
	if errors.Is(err, errNoMatch) {
		err = nil
	}
	return list, err
}

// errNoMatch: a pattern fits no file.
var errNoMatch = errors.New("no file paths matching glob")

func matches(m state.Mount) ([]state.Mount, error) {
	files, err := filepath.Glob(m.Source)
	if err != nil {
		return nil, fmt.Errorf("invalid pattern %q for --mount: %w", m.Source, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w %q", errNoMatch, m.Source)
	}
	list := make([]state.Mount, 0, len(files))
	for _, file := range files {
		list = append(list, parse.Matched(m, file))
	}
	return list, nil
}
