package imagecall

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxMessage bounds a Step or a StepResult as JSON, in bytes: what a program's
// arguments and variables may take (execve(2)), and paths of layers.
const maxMessage = 16 << 20

// Streams of a step.
const streams = 3

// socket makes a connection of descriptor fd, which it takes over.
func socket(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "steps")
	if f == nil {
		return nil, errors.New("there is no connection to skiff")
	}
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("there is no connection to skiff: %w", err)
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("the connection to skiff is not a unix socket")
	}
	return u, nil
}

// send sends one message: its length in four bytes (big endian) and it itself as
// JSON. The descriptors go with its first byte.
func send(conn *net.UnixConn, message any, files ...*os.File) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(body) > maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", len(body))
	}
	data := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	n, _, err := conn.WriteMsgUnix(data, rights, nil)
	if err == nil && n < len(data) {
		_, err = conn.Write(data[n:])
	}
	return err
}

// receive takes one message and the descriptors that came with it, which are the
// caller's to close, also on error. io.EOF means that the other side has closed.
func receive(conn *net.UnixConn, message any) (files []*os.File, err error) {
	var head [4]byte
	if files, err = read(conn, head[:], files); err != nil {
		return files, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxMessage {
		return files, fmt.Errorf("a message of %d bytes is too long", size)
	}
	body := make([]byte, size)
	if files, err = read(conn, body, files); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return files, err
	}
	return files, json.Unmarshal(body, message)
}

// read fills buf, and takes the descriptors that come with the bytes.
func read(conn *net.UnixConn, buf []byte, files []*os.File) ([]*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(streams*4))
	for got := 0; got < len(buf); {
		n, oobn, flags, _, err := conn.ReadMsgUnix(buf[got:], oob)
		files = append(files, rights(oob[:oobn])...)
		switch {
		case err != nil:
			return files, err
		case flags&unix.MSG_CTRUNC != 0 || len(files) > streams:
			return files, errors.New("too many descriptors came with a message")
		case n == 0 && got > 0:
			return files, io.ErrUnexpectedEOF
		case n == 0:
			return files, io.EOF
		}
		got += n
	}
	return files, nil
}

func rights(oob []byte) (files []*os.File) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd) // where net did not ask the kernel for it
			files = append(files, os.NewFile(uintptr(fd), "stream"))
		}
	}
	return files
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
