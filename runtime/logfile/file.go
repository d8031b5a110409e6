package logfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// file is the sink of the file drivers. Records gather in buf for one chunk and
// are written together.
type file struct {
	cfg    state.LogConfig
	encode encoder
	fd     int
	size   int64 // of the file, without what is in mem[:used]
	mem    []byte
	buf    []byte // mem[:used]
	torn   bool   // the file ends within a record
	lost   int    // records that could not be written
}

func openFile(cfg state.LogConfig, e encoder) (*file, error) {
	mem, err := scratch(scratchSize)
	if err != nil {
		return nil, err
	}
	f := &file{cfg: cfg, encode: e, mem: mem, buf: mem[:0], fd: -1}
	if err := f.open(); err != nil {
		unix.Munmap(mem)
		return nil, err
	}
	return f, nil
}

// open opens the log file. What a killed writer left of a record is ended, so
// that the next one begins on a line of its own.
func (f *file) open() error {
	fd, err := unix.Open(f.cfg.Path, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: f.cfg.Path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return fmt.Errorf("%s is not a regular file", f.cfg.Path)
	}
	f.fd, f.size, f.torn = fd, st.Size, false
	var last [1]byte
	if n, err := unix.Pread(fd, last[:], st.Size-1); st.Size > 0 && err == nil && n == 1 && last[0] != '\n' {
		f.torn = true
	}
	return nil
}

func (f *file) record(s Stream, at time.Time, line []byte, partial bool) {
	if len(f.buf)+maxRecord > len(f.mem) {
		f.flush()
	}
	before := len(f.buf)
	f.buf = f.encode(f.buf, s, at, line, partial)
	if f.cfg.MaxSize <= 0 || f.size+int64(len(f.buf)) <= f.cfg.MaxSize || f.size+int64(before) == 0 {
		return
	}
	// The record belongs into the next file.
	whole := f.buf
	f.buf = f.buf[:before]
	f.flush()
	f.rotate()
	f.buf = f.mem[:copy(f.mem, whole[before:])]
}

// flush writes what was gathered. Where that is not possible the records are
// dropped and counted, and nothing but whole records stays in the file.
func (f *file) flush() {
	p := f.buf
	f.buf = f.mem[:0]
	if len(p) == 0 {
		return
	}
	if f.fd < 0 && f.open() != nil {
		f.drop(p)
		return
	}
	if f.lost > 0 && !f.note() {
		f.drop(p)
		return
	}
	if f.torn && !f.endTorn() {
		f.drop(p)
		return
	}
	n, err := writeAll(f.fd, p)
	f.size += int64(n)
	if err != nil {
		whole := lastNewline(p[:n])
		f.torn = whole < n
		if f.torn && unix.Ftruncate(f.fd, f.size-int64(n-whole)) == nil {
			f.size -= int64(n - whole)
			f.torn = false
		}
		f.drop(p[whole:])
	}
}

func (f *file) endTorn() bool {
	n, _ := writeAll(f.fd, []byte("\n"))
	f.size += int64(n)
	f.torn = n == 0
	return !f.torn
}

func (f *file) drop(p []byte) {
	for _, c := range p {
		if c == '\n' {
			f.lost++
		}
	}
}

// note tells in the log how many records are missing, and reports whether it
// could.
func (f *file) note() bool {
	text := "skiff: " + strconv.Itoa(f.lost) + " lines were lost because the log could not be written"
	line := f.encode(nil, Stderr, time.Now().UTC(), []byte(text), false)
	if f.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := writeAll(f.fd, line)
	if err != nil {
		if n > 0 {
			unix.Ftruncate(f.fd, f.size)
		}
		return false
	}
	f.size += int64(n)
	f.lost, f.torn = 0, false
	return true
}

func lastNewline(p []byte) int {
	for i := len(p); i > 0; i-- {
		if p[i-1] == '\n' {
			return i
		}
	}
	return 0
}

// rotate moves the files on by one (log to log.1, …) and begins a new one. If
// that fails the present file goes on.
func (f *file) rotate() {
	keep := max(f.cfg.MaxFiles, 1)
	for i := keep - 1; i >= 1; i-- {
		err := os.Rename(numbered(f.cfg.Path, i-1), numbered(f.cfg.Path, i))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return
		}
	}
	if keep == 1 && os.Remove(f.cfg.Path) != nil {
		return
	}
	old := f.fd
	if f.open() != nil {
		f.fd = -1 // flush tries again
	}
	unix.Close(old)
}

// numbered is the path of the file that was rotated i times.
func numbered(path string, i int) string {
	if i == 0 {
		return path
	}
	return path + "." + strconv.Itoa(i)
}

func (f *file) reopen() error {
	old := f.fd
	if err := f.open(); err != nil {
		f.fd = old
		return fmt.Errorf("cannot reopen the log: %w", err)
	}
	unix.Close(old)
	return nil
}

func (f *file) trim() { unix.Madvise(f.mem, unix.MADV_DONTNEED) }

func (f *file) close() {
	f.flush()
	unix.Close(f.fd)
	f.fd = -1
	unix.Munmap(f.mem)
	f.mem, f.buf = nil, nil
}
