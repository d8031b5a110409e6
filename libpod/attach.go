package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"skiff/libpod/attach"
	"skiff/runtime/monitorclient"
	"skiff/runtime/wire"
	"skiff/state"
)

// AttachOptions are the user's side of an attached container.
type AttachOptions = attach.Options

// streams says which of the container's streams the user takes part in.
func streams(o AttachOptions) *wire.Attach {
	return &wire.Attach{Stdin: o.Stdin != nil, Stdout: o.Stdout != nil, Stderr: o.Stderr != nil}
}

// Attach joins a running container's streams until it ends, and gives its exit
// status, or until the user detaches (attach.ErrDetached).
func (e *Engine) Attach(ctx context.Context, ref string, s AttachOptions) (int, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return 125, err
	}
	st, err := e.status(ctx, id)
	if err != nil {
		return 125, err
	}
	if st.Phase != state.Running && st.Phase != state.Restarting {
		return 125, fmt.Errorf("cannot attach to container %s: it is %s, you can only attach to running containers", ref, st.Phase)
	}
	conn, err := monitorclient.Dial(e.Roots.Container(id))
	if err != nil {
		return 125, fmt.Errorf("cannot attach to container %s: %w", ref, err)
	}
	session, err := conn.Attach(*streams(s))
	if err != nil {
		return 125, fmt.Errorf("cannot attach to container %s: %w", ref, err)
	}
	if s.Size != (wire.Size{}) {
		session.Resize(s.Size)
	}
	return e.follow(ctx, session, s, st)
}

// follow copies between the user and an attached container until it ends or
// the user leaves. st names the process that signals go to.
func (e *Engine) follow(ctx context.Context, session *monitorclient.Session, s AttachOptions, st state.Status) (int, error) {
	type outcome struct {
		status state.Status
		err    error
	}
	ended := make(chan outcome, 1)
	left := make(chan error, 1)
	if s.Begin != nil {
		if err := s.Begin(); err != nil {
			session.Close()
			return 125, err
		}
	}
	go func() {
		final, err := session.Run(orDiscard(s.Stdout), orDiscard(s.Stderr))
		ended <- outcome{final, err}
	}()
	if s.Stdin != nil {
		go func() { left <- pump(session, s.Stdin) }()
	}
	for {
		select {
		case o := <-ended:
			if o.err != nil {
				return 125, fmt.Errorf("cannot follow the container: %w", o.err)
			}
			return o.status.ExitCode, nil
		case err := <-left:
			if err != nil {
				session.Close()
				return 0, err
			}
		case size := <-s.Sizes:
			session.Resize(size)
		case sig := <-s.Signals:
			signal(st, unix.Signal(sig))
		case <-ctx.Done():
			session.Close()
			return 125, ctx.Err()
		}
	}
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// pump sends the user's input until it ends; nil means that it ended and the
// container was told.
func pump(session *monitorclient.Session, in io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 && session.WriteStdin(buf[:n]) != nil {
			return nil // the container ended first: its exit status is what counts
		}
		if errors.Is(err, io.EOF) {
			session.CloseStdin()
			return nil
		}
		if err != nil {
			return err
		}
	}
}
