package imagecall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

// maxSteps bounds the programs that one tool has run at the same time.
const maxSteps = 256

// Handler runs the program of a step until its end, or that of ctx, with the
// files as its standard streams. They are closed when it returns.
type Handler func(ctx context.Context, step Step, stdio [3]*os.File) StepResult

// Serve is the engine's end of the connection: it calls handler for each Step, in
// a goroutine of its own, and sends what comes back. It returns when the tool has
// closed its end and no handler is under way any more; when ctx or the tool ends,
// so do the steps. The error says how the tool did not keep to the agreement.
func Serve(ctx context.Context, conn *net.UnixConn, handler Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &server{conn: conn, handler: handler, cancels: map[int]context.CancelFunc{}}
	defer s.group.Wait()
	defer cancel()
	for {
		var step Step
		files, err := receive(conn, &step)
		if err == nil {
			err = s.take(ctx, step, files)
		}
		if err != nil {
			closeAll(files)
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("cannot understand the image tool: %w", err)
		}
	}
}

type server struct {
	conn    *net.UnixConn
	handler Handler
	group   sync.WaitGroup

	sending sync.Mutex

	mu      sync.Mutex
	cancels map[int]context.CancelFunc // of the steps under way
}

// take begins or ends a step. On error the files are the caller's still.
func (s *server) take(ctx context.Context, step Step, files []*os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop, known := s.cancels[step.Number]
	switch {
	case step.Cancel && len(files) > 0:
		return errors.New("descriptors came with the end of a step")
	case step.Cancel:
		if known { // else its result is on the way
			stop()
		}
		return nil
	case known:
		return fmt.Errorf("there are two steps with the number %d", step.Number)
	case len(files) != streams:
		return fmt.Errorf("a step came with %d descriptors instead of %d", len(files), streams)
	case len(s.cancels) >= maxSteps:
		return fmt.Errorf("more than %d steps at the same time", maxSteps)
	}
	ctx, s.cancels[step.Number] = context.WithCancel(ctx)
	s.group.Go(func() { s.run(ctx, step, [3]*os.File(files)) })
	return nil
}

func (s *server) run(ctx context.Context, step Step, stdio [3]*os.File) {
	res := s.handler(ctx, step, stdio)
	res.Number = step.Number
	closeAll(stdio[:])
	s.mu.Lock()
	s.cancels[step.Number]()
	delete(s.cancels, step.Number)
	s.mu.Unlock()
	s.sending.Lock()
	defer s.sending.Unlock()
	_ = send(s.conn, res) // a tool that has ended needs no answer
}
