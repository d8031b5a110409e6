package dns

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// AmendLines changes a file in place by what two texts differ in: the lines that
// only the first has go, and those that only the second has are added. What else is
// in the file, which is the container's, stays. A file that is not there is left so.
func AmendLines(path string, before, after []byte) error {
	return amend(path, func(have []byte) []byte {
		was, is := lines(before), lines(after)
		out := slices.DeleteFunc(lines(have), func(l string) bool { return slices.Contains(was, l) && !slices.Contains(is, l) })
		for _, l := range is {
			if !slices.Contains(was, l) && !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
		return []byte(strings.Join(out, "\n") + "\n")
	})
}

// AmendFile replaces a file's content in place, unless somebody has changed it.
func AmendFile(path string, before, after []byte) error {
	return amend(path, func(have []byte) []byte {
		if !bytes.Equal(have, before) {
			return have
		}
		return after
	})
}

func lines(b []byte) []string { return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") }

func amend(path string, change func([]byte) []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot change %s: %w", filepath.Base(path), err)
	}
	defer f.Close()
	have, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(have) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	if err == nil {
		if is := change(have); !bytes.Equal(is, have) {
			err = errors.Join(f.Truncate(0), writeAll(f, is))
		}
	}
	if err != nil {
		return fmt.Errorf("cannot change %s: %w", filepath.Base(path), err)
	}
	return nil
}

func writeAll(f *os.File, b []byte) error {
	_, err := f.WriteAt(b, 0)
	return err
}
