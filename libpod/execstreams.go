package libpod

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"skiff/runtime/sandbox"
	"skiff/runtime/wire"
)

// execStreams connects a program that this process runs in a container with
// the user. Where the user's streams are files they are the program's own;
// otherwise, and with a terminal, it copies.
type execStreams struct {
	theirs []*os.File // the container's ends, closed here once the program has begun
	stdin  *os.File
	stdout *os.File
	stderr *os.File
	socket *os.File // where the terminal will arrive
	pty    *os.File
	size   wire.Size
	copies sync.WaitGroup
}

func newExecStreams(o *sandbox.ExecOptions, req ExecRequest, s AttachOptions) (_ *execStreams, err error) {
	x := &execStreams{size: s.Size}
	defer func() {
		if err != nil {
			x.close()
			closeAll(x.theirs...)
		}
	}()
	if req.TTY {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		x.socket = os.NewFile(uintptr(fds[0]), "console")
		o.ConsoleSocket = os.NewFile(uintptr(fds[1]), "console")
		o.Rows, o.Cols = s.Size.Rows, s.Size.Cols
		x.theirs = append(x.theirs, o.ConsoleSocket)
		return x, nil
	}
	if f := files(s); f != nil {
		o.Stdin, o.Stdout, o.Stderr = f[0], f[1], f[2]
		return x, nil
	}
	if req.Interactive && s.Stdin != nil {
		if o.Stdin, x.stdin, err = os.Pipe(); err != nil {
			return nil, err
		}
		x.theirs = append(x.theirs, o.Stdin)
	}
	if x.stdout, o.Stdout, err = os.Pipe(); err != nil {
		return nil, err
	}
	x.theirs = append(x.theirs, o.Stdout)
	if x.stderr, o.Stderr, err = os.Pipe(); err != nil {
		return nil, err
	}
	x.theirs = append(x.theirs, o.Stderr)
	return x, nil
}

// files gives the user's streams where all of them are files.
func files(s AttachOptions) *[3]*os.File {
	var f [3]*os.File
	for i, stream := range []any{s.Stdin, s.Stdout, s.Stderr} {
		file, ok := stream.(*os.File)
		if !ok && stream != nil {
			return nil
		}
		f[i] = file
	}
	return &f
}

// started is called when the program has its ends, or will never have them.
func (x *execStreams) started() {
	closeAll(x.theirs...)
	x.theirs = nil
	if x.socket == nil {
		return
	}
	if pty, err := receiveFile(x.socket); err == nil {
		x.pty = pty
		x.resize(x.size)
	}
}

// receiveFile takes the one descriptor that libcontainer sends.
func receiveFile(socket *os.File) (*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	name := make([]byte, 4096)
	_, n, _, _, err := unix.Recvmsg(int(socket.Fd()), name, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		return nil, fmt.Errorf("cannot receive the terminal")
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("cannot receive the terminal")
	}
	// Blocking mode would pin a thread to each copy; the poller takes a pty.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "pty"), nil
}

// copy begins to copy; what it sends is the end of the user's input, nil for
// an orderly one.
func (x *execStreams) copy(s AttachOptions) <-chan error {
	left := make(chan error, 1)
	in := x.stdin
	if x.pty != nil {
		in = x.pty
		x.out(orDiscard(s.Stdout), x.pty)
	}
	if x.stdout != nil {
		x.out(orDiscard(s.Stdout), x.stdout)
		x.out(orDiscard(s.Stderr), x.stderr)
	}
	if in != nil && s.Stdin != nil {
		go func() {
			_, err := io.Copy(in, s.Stdin)
			if x.pty == nil {
				in.Close()
			}
			if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EIO) {
				err = nil
			}
			left <- err
		}()
	}
	return left
}

func (x *execStreams) out(w io.Writer, r io.Reader) {
	x.copies.Add(1)
	go func() {
		defer x.copies.Done()
		// A pty whose last user is gone reads as EIO: that is its end of file.
		io.Copy(w, r)
	}()
}

// drain waits until all output has been copied.
func (x *execStreams) drain() { x.copies.Wait() }

func (x *execStreams) resize(size wire.Size) {
	if x.pty == nil || size == (wire.Size{}) {
		return
	}
	unix.IoctlSetWinsize(int(x.pty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Cols})
}

func (x *execStreams) close() {
	closeAll(x.stdin, x.stdout, x.stderr, x.socket, x.pty)
}
