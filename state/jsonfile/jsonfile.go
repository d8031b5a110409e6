// Package jsonfile reads and writes one JSON value per file, so that a reader
// sees the old or the new value and never a part of one.
//
// Not here: what the values mean, and locking.
package jsonfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxSize bounds what Read takes in; every record is far below it.
const maxSize = 32 << 20

var counter atomic.Uint32

// Durability says what must have happened before Write returns.
type Durability int

const (
	// Volatile: other processes see the new value; a power cut may lose it.
	Volatile Durability = iota
	// Durable: the value survives a power cut.
	Durable
)

// Write replaces the file's content with v, with mode 0600.
//
// The new content is written beside the file and renamed over it; on error the
// file is as it was and nothing is left beside it.
func Write(path string, v any, d Durability) error {
	var text bytes.Buffer
	return WriteIn(path, v, d, &text)
}

// WriteIn is Write for who writes often and keeps a buffer for the text.
func WriteIn(path string, v any, d Durability, text *bytes.Buffer) (err error) {
	text.Reset()
	if err := json.NewEncoder(text).Encode(v); err != nil {
		return fmt.Errorf("cannot encode %s: %w", filepath.Base(path), err)
	}
	tmp := path + ".tmp" + strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(int(counter.Add(1)))
	fd, err := retry(func() (int, error) {
		return unix.Open(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, &os.PathError{Op: "open", Path: tmp, Err: err})
	}
	defer func() {
		if err != nil {
			os.Remove(tmp)
			err = fmt.Errorf("cannot write %s: %w", path, err)
		}
	}()
	err = writeAll(fd, text.Bytes())
	if err == nil && d == Durable {
		err = unix.Fdatasync(fd)
	}
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(tmp, path); err != nil {
		return err
	}
	if d == Durable {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

// writeAll writes without an os.File, see ReadAt.
func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := retry(func() (int, error) { return unix.Write(fd, data) })
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Read decodes the file into v. A missing file is an error that is
// os.ErrNotExist, and so is an empty one, which is what a power cut can leave of
// a Volatile write; anything but one JSON value is an error that names the file.
func Read(path string, v any) error {
	data, err := ReadAt(unix.AT_FDCWD, path, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	return nil
}

// firstRead is more than nearly all records have.
const firstRead = 4 << 10

// ReadAt reads the file's text, with the errors of Read. path is below the
// directory that is open as dir, where it is not absolute; the text is in buf
// where that is large enough.
//
// It makes no os.File: that would ask the kernel four times whether one can wait
// for the file.
func ReadAt(dir int, path string, buf []byte) ([]byte, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(dir, path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	buf = slices.Grow(buf[:0], firstRead)
	for {
		room := buf[len(buf):cap(buf)]
		n, err := retry(func() (int, error) { return unix.Read(fd, room) })
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path, err)
		}
		buf = buf[:len(buf)+n]
		if len(buf) > maxSize {
			return nil, fmt.Errorf("cannot read %s: larger than %d bytes", path, maxSize)
		}
		if n == 0 {
			break
		}
		if n == len(room) {
			buf = slices.Grow(buf, cap(buf))
		}
	}
	if len(buf) == 0 {
		return nil, fmt.Errorf("%s is empty: %w", path, os.ErrNotExist)
	}
	return buf, nil
}

// retry calls a system call until no signal interrupts it.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Exists reports whether there is a file at path.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}
