package resolver

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// client is where a question over UDP came from.
type client struct {
	addr unix.RawSockaddrInet4
}

// receive takes one message from a UDP socket. The calls of x/sys would make an
// address for each.
func receive(fd int, buf []byte, from *client) (int, unix.Errno) {
	size := uint32(unix.SizeofSockaddrInet4)
	n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)),
		unix.MSG_DONTWAIT|unix.MSG_TRUNC, uintptr(unsafe.Pointer(&from.addr)), uintptr(unsafe.Pointer(&size)))
	return int(n), errno
}

// send sends one message. One that the socket has no room for is lost, as UDP's may
// be.
func send(fd int, msg []byte, to *client) {
	unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(msg))), uintptr(len(msg)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&to.addr)), unix.SizeofSockaddrInet4)
}

// accept takes a connection, whoever it is from.
func accept(fd int) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0, 0)
	return int(n), errno
}

// random is a number that nobody can guess.
func random() (uint32, error) {
	var b [4]byte
	_, err := unix.Getrandom(b[:], 0)
	return binary.NativeEndian.Uint32(b[:]), err
}
