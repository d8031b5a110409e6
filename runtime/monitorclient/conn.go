// Package monitorclient is the engine's side of the conversation with a
// container's monitor: it starts one, and connects to one that runs.
//
// Not here: what the answers mean for the user, and any file of the container's.
package monitorclient

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/dirs"
)

// readSize is how much is read from the monitor at a time.
const readSize = 64 << 10

// Conn is a connection to a running monitor on which nothing was asked yet.
// Each of its methods but Close may be called once, and ends its use.
type Conn struct {
	f *os.File
	r *bufio.Reader

	mu sync.Mutex // guards writing
}

// Dial connects to the monitor of a container; state.ErrNotFound if there is
// none.
func Dial(c dirs.Container) (*Conn, error) {
	dir, err := unix.Open(c.Run, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the container's monitor: %w", notFound(err))
	}
	defer unix.Close(dir)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	// The path may be too long for an address, hence through the directory.
	addr := &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(dir) + "/" + filepath.Base(c.Control())}
	for {
		err = unix.Connect(fd, addr)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot reach the container's monitor: %w", notFound(err))
	}
	return newConn(fd), nil
}

func notFound(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return state.ErrNotFound
	}
	return err
}

// newConn takes over a non-blocking socket.
func newConn(fd int) *Conn {
	f := os.NewFile(uintptr(fd), "monitor")
	return &Conn{f: f, r: bufio.NewReaderSize(f, readSize)}
}

// Close ends the connection.
func (c *Conn) Close() error { return c.f.Close() }

func (c *Conn) write(k wire.Kind, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return wire.WriteFrame(c.f, k, payload)
}

func (c *Conn) writeJSON(k wire.Kind, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.write(k, data)
}

func (c *Conn) ask(req wire.Request) error {
	req.Version = wire.Version
	if err := c.writeJSON(wire.KindRequest, req); err != nil {
		return gone(err)
	}
	return nil
}

// gone says what a broken connection means.
func gone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the container's monitor went away: %w", state.ErrNotFound)
	}
	return err
}

// order sends a request that is answered with a reply only.
func (c *Conn) order(req wire.Request) error {
	defer c.Close()
	if err := c.ask(req); err != nil {
		return err
	}
	_, err := c.reply()
	return err
}

func (c *Conn) reply() (wire.Reply, error) {
	var r wire.Reply
	k, payload, err := wire.ReadFrame(c.r)
	if err != nil {
		return r, gone(err)
	}
	if k != wire.KindReply {
		return r, fmt.Errorf("the container's monitor answered with a message of kind %q", byte(k))
	}
	if err := json.Unmarshal(payload, &r); err != nil {
		return r, fmt.Errorf("cannot read the monitor's answer: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// Wait waits until the container's present run has ended and its end is
// recorded, also where a restart follows. state.ErrNotFound means that the
// monitor went away without telling: Store.Status knows more.
func (c *Conn) Wait(ctx context.Context) (state.Status, error) { return c.wait(ctx, wire.OpWait) }

// WaitGone waits until the monitor is about to end: everything is recorded, or
// removed.
func (c *Conn) WaitGone(ctx context.Context) (state.Status, error) {
	return c.wait(ctx, wire.OpWaitGone)
}

func (c *Conn) wait(ctx context.Context, op string) (state.Status, error) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := c.ask(wire.Request{Op: op}); err != nil {
		return state.Status{}, err
	}
	s := Session{conn: c}
	for {
		st, done, err := s.step(io.Discard, io.Discard)
		if done || err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return st, err
		}
	}
}

// Stop tells the monitor that the user wants the container to end, so that it
// does not start it again. It sends no signal. With waits the container is shown
// as stopping from now on.
func (c *Conn) Stop(waits bool) error { return c.order(wire.Request{Op: wire.OpStop, Waits: waits}) }

// Resize sets the size of the container's terminal.
func (c *Conn) Resize(z wire.Size) error {
	return c.order(wire.Request{Op: wire.OpResize, Size: &z})
}

// Update gives the monitor a new restart policy (nil keeps the old one) and a
// new name (empty keeps the old one).
func (c *Conn) Update(p *state.RestartPolicy, name string) error {
	return c.order(wire.Request{Op: wire.OpUpdate, Restart: p, Name: name})
}

// UpdateHealth gives the monitor a new health check; one without a test ends
// checking.
func (c *Conn) UpdateHealth(h wire.Health) error {
	return c.order(wire.Request{Op: wire.OpUpdate, Health: &h})
}

// CheckHealth runs the health check and gives its outcome, see wire.Reply.
func (c *Conn) CheckHealth(ctx context.Context) (string, error) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := c.ask(wire.Request{Op: wire.OpHealth}); err != nil {
		return "", err
	}
	r, err := c.reply()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return r.Health, err
}

// Ports tells the monitor of a change of the published ports and gives it the
// sockets that reserve the new ones.
func (c *Conn) Ports(p wire.Ports, reserved []*os.File) error {
	return c.withPorts(wire.Request{Op: wire.OpPorts, Ports: &p}, reserved)
}

// Network tells the monitor of a change of the container's networks and gives it
// the sockets that reserve new host ports.
func (c *Conn) Network(n wire.Network, reserved []*os.File) error {
	return c.withPorts(wire.Request{Op: wire.OpNetwork, Network: &n}, reserved)
}

func (c *Conn) withPorts(req wire.Request, reserved []*os.File) error {
	defer c.Close()
	req.Version = wire.Version
	data, err := json.Marshal(req)
	if err != nil {
		return err
	}
	fds := make([]int, len(reserved))
	for i, f := range reserved {
		fds[i] = int(f.Fd())
	}
	for len(fds) > wire.MaxFDs {
		if err := c.writeWithFDs(wire.KindDescriptors, nil, fds[:wire.MaxFDs]); err != nil {
			return gone(err)
		}
		fds = fds[wire.MaxFDs:]
	}
	if err := c.writeWithFDs(wire.KindRequest, data, fds); err != nil {
		return gone(err)
	}
	_, err = c.reply()
	return err
}

// writeWithFDs sends a frame. The descriptors go with its head.
func (c *Conn) writeWithFDs(k wire.Kind, payload []byte, fds []int) error {
	if len(fds) == 0 {
		return c.write(k, payload)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := c.f.SyscallConn()
	if err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint32([]byte{byte(k)}, uint32(len(payload)))
	var n int
	var serr error
	if err := raw.Write(func(fd uintptr) bool {
		n, serr = unix.SendmsgN(int(fd), head, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		return !errors.Is(serr, unix.EAGAIN)
	}); err != nil {
		return err
	}
	if serr != nil {
		return serr
	}
	_, err = c.f.Write(append(head[n:], payload...))
	return err
}

// Paused tells the monitor that the container was frozen or thawed.
func (c *Conn) Paused(yes bool) error {
	return c.order(wire.Request{Op: wire.OpPaused, Paused: yes})
}

// Hold keeps a container that waits for its restart from starting until the
// connection is closed. It fails if it does not wait.
func (c *Conn) Hold() error {
	if err := c.ask(wire.Request{Op: wire.OpHold}); err != nil {
		return err
	}
	_, err := c.reply()
	return err
}

// Reopen has the log file opened anew.
func (c *Conn) Reopen() error { return c.order(wire.Request{Op: wire.OpReopen}) }

// Attach makes the connection a client of the container's streams.
func (c *Conn) Attach(a wire.Attach) (*Session, error) {
	err := c.ask(wire.Request{Op: wire.OpAttach, Attach: &a})
	var r wire.Reply
	if err == nil {
		r, err = c.reply()
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot attach: %w", err)
	}
	s := &Session{conn: c}
	if r.Status != nil {
		s.status = *r.Status
	}
	return s, nil
}

// Start lets the program of an initialized container begin, and returns when it
// runs, see Prepared.Launch; a may be nil.
func (c *Conn) Start(a *wire.Attach) (*Session, error) {
	err := c.ask(wire.Request{Op: wire.OpStart, Attach: a})
	s := &Session{conn: c}
	if err == nil {
		err = s.awaitStart()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return s, nil
}

// Exec runs a further program in the container and returns when it runs; a
// wire.Failure says why it does not. With e.Detach the session is at its end.
func (c *Conn) Exec(e wire.Exec) (*Session, error) {
	if err := c.ask(wire.Request{Op: wire.OpExec, Exec: &e}); err != nil {
		c.Close()
		return nil, err
	}
	s := &Session{conn: c}
	if err := s.awaitStart(); err != nil {
		c.Close()
		return nil, err
	}
	return s, nil
}
