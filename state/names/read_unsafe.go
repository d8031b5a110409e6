package names

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// open opens the path in r.path; -1 if that fails. The calls of x/sys would make a
// copy of each path.
func (r *Reader) open(flags int) int {
	r.path = append(r.path, 0)
	defer func() { r.path = r.path[:len(r.path)-1] }()
	for {
		at := unix.AT_FDCWD
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(&r.path[0])),
			uintptr(flags|unix.O_CLOEXEC), 0, 0, 0)
		switch errno {
		case 0:
			return int(fd)
		case unix.EINTR:
		default:
			return -1
		}
	}
}

// readlink reads the symbolic link at the path in r.path into r.link; -1 if that
// fails or does not fit.
func (r *Reader) readlink() int {
	r.path = append(r.path, 0)
	defer func() { r.path = r.path[:len(r.path)-1] }()
	at := unix.AT_FDCWD
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(at), uintptr(unsafe.Pointer(&r.path[0])),
		uintptr(unsafe.Pointer(&r.link[0])), uintptr(len(r.link)), 0, 0)
	if errno != 0 || int(n) == len(r.link) {
		return -1
	}
	return int(n)
}

// text is the bytes as a string that is only good until they change: for a parser
// that keeps nothing of it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
