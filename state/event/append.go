package event

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Log is a log file.
type Log struct {
	// Path is the file; empty keeps nothing.
	Path string `json:"path,omitempty"`
	// Journal sends events to the system's journal instead, as those of Path.
	Journal bool `json:"journal,omitempty"`
	// MaxSize is the size in bytes at which the older half is dropped; 0 or less
	// means never.
	MaxSize int64 `json:"maxSize,omitempty"`
}

// Append writes events, to a file all with one write.
func (l Log) Append(events ...Event) error {
	if l.Path == "" || len(events) == 0 {
		return nil
	}
	var lines []byte
	for i := range events {
		if events[i].Time.IsZero() {
			events[i].Time = time.Now()
		}
		line, err := json.Marshal(&events[i])
		if err != nil {
			return fmt.Errorf("cannot log an event: %w", err)
		}
		if l.Journal {
			if err := l.send(&events[i], line); err != nil {
				return fmt.Errorf("cannot log an event in the journal: %w", err)
			}
			continue
		}
		lines = append(append(lines, line...), '\n')
	}
	if l.Journal {
		return nil
	}
	if err := l.write(lines); err != nil {
		return fmt.Errorf("cannot log an event: %w", err)
	}
	return nil
}

func (l Log) write(lines []byte) error {
	f, err := l.open()
	if err != nil {
		return err
	}
	defer func() { f.Close() }()
	if l.MaxSize > 0 {
		st, err := f.Stat()
		if err != nil {
			return err
		}
		if st.Size()+int64(len(lines)) >= l.MaxSize && l.rotate(f) == nil {
			f.Close()
			if f, err = l.open(); err != nil {
				return err
			}
		}
	}
	_, err = f.Write(lines)
	return err
}

func (l Log) open() (*os.File, error) {
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NOFOLLOW
	fd, err := unix.Open(l.Path, flags, 0o600)
	if errors.Is(err, unix.ENOENT) {
		if err := os.MkdirAll(filepath.Dir(l.Path), 0o700); err != nil {
			return nil, err
		}
		fd, err = unix.Open(l.Path, flags, 0o600)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: l.Path, Err: err}
	}
	return os.NewFile(uintptr(fd), l.Path), nil
}

// rotate puts a file with the younger half of the log in its place, between two
// lines that say so. One writer at a time does it, the others go on appending;
// what they append meanwhile is taken over.
func (l Log) rotate(old *os.File) error {
	if err := unix.Flock(int(old.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	here, err := os.Lstat(l.Path)
	if err != nil {
		return err
	}
	was, err := old.Stat()
	if err != nil || !os.SameFile(here, was) {
		return err // somebody was quicker
	}
	in, err := os.Open(l.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(l.Path), filepath.Base(l.Path)+".*.tmp")
	if err != nil {
		return err
	}
	defer out.Close()
	copied, err := l.younger(out, in, was.Size())
	if err == nil {
		err = os.Rename(out.Name(), l.Path)
	}
	if err != nil {
		os.Remove(out.Name())
		return err
	}
	// Others may have had the old file open until now.
	rest, err := io.ReadAll(io.NewSectionReader(in, copied, 1<<62))
	if err != nil || len(rest) == 0 {
		return err
	}
	f, err := l.open()
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(rest)
	return err
}

// younger writes the second half of the log to out and says up to where it read.
func (l Log) younger(out io.Writer, in *os.File, size int64) (copied int64, err error) {
	from := size / 2
	r := bufio.NewReader(io.NewSectionReader(in, from, size-from))
	if _, err := r.ReadSlice('\n'); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return 0, err
	}
	if err := l.mark(out, attributeBegin); err != nil {
		return 0, err
	}
	if _, err := r.WriteTo(out); err != nil {
		return 0, err
	}
	return size, l.mark(out, AttributeRotateEnd)
}

func (l Log) mark(w io.Writer, what string) error {
	line, err := json.Marshal(Event{
		Name: l.Path, Status: Rotate, Time: time.Now(), Type: System, Attributes: map[string]string{AttributeRotate: what},
	})
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	return err
}
