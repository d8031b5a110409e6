// Package journal sends records to the system's journal by its native protocol:
// one datagram of fields for each record.
//
// Not here: what the fields are (runtime/logfile, state/event), and reading,
// which is journalctl's. The monitor links this package: standard library and
// x/sys only.
package journal

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Socket is where the journal listens. systemd.io/JOURNAL_NATIVE_PROTOCOL.
const Socket = "/run/systemd/journal/socket"

// wait bounds how long a stalled journal may hold a sender up, in microseconds.
const wait = 200_000

// Available says why the journal cannot be written to, or nil.
func Available() error {
	if err := unix.Access(Socket, unix.W_OK); err != nil {
		return errors.New("the journal's socket " + Socket + " cannot be used: " + err.Error())
	}
	return nil
}

// Conn is a socket to the journal.
type Conn struct {
	fd   int
	addr *unix.SockaddrUnix
	// stalled is set after a record was lost, so that further ones do not wait.
	stalled bool
}

// Dial makes a socket for records to the journal that listens at path.
func Dial(path string) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: wait})
	return &Conn{fd: fd, addr: &unix.SockaddrUnix{Name: path}}, nil
}

// AppendField appends one field in the form that allows any bytes: the name, a
// newline, the length (64 bits, little endian), the value, a newline. The name is
// of upper-case letters, digits and underscores.
func AppendField(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, '\n')
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(value)))
	dst = append(dst, value...)
	return append(dst, '\n')
}

// Send sends one record, whose fields AppendField made.
func (c *Conn) Send(record []byte) error {
	flags := unix.MSG_NOSIGNAL
	if c.stalled {
		flags |= unix.MSG_DONTWAIT
	}
	err := unix.Sendto(c.fd, record, flags, c.addr)
	for errors.Is(err, unix.EINTR) {
		err = unix.Sendto(c.fd, record, flags, c.addr)
	}
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		err = c.sendFile(record)
	}
	c.stalled = err != nil
	return err
}

// sendFile sends what is too large for a datagram in a sealed memory file.
func (c *Conn) sendFile(p []byte) error {
	fd, err := unix.MemfdCreate("skiff-log", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		p = p[max(n, 0):]
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	return unix.Sendmsg(c.fd, nil, unix.UnixRights(fd), c.addr, unix.MSG_NOSIGNAL)
}

// Close gives the socket back.
func (c *Conn) Close() { unix.Close(c.fd) }
