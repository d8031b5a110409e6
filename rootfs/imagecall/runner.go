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

// ErrGone means that the engine is not there any more. Nothing runs then.
var ErrGone = errors.New("skiff has ended")

// Runner is the tool's end of the connection on which it has programs run.
type Runner struct {
	conn *net.UnixConn
	err  error // why there is no connection
	gone chan struct{}

	sending sync.Mutex

	mu      sync.Mutex
	last    int // number given to a step
	waiting map[int]chan StepResult
	broken  error
}

// NewRunner takes over descriptor fd (StepsFD). What is wrong with it is said by
// the first Run.
func NewRunner(fd int) *Runner {
	r := &Runner{gone: make(chan struct{}), waiting: map[int]chan StepResult{}}
	if r.conn, r.err = socket(fd); r.err != nil {
		close(r.gone)
		return r
	}
	go r.receive()
	return r
}

// Gone is closed when the engine has ended: there is nobody left to work for.
func (r *Runner) Gone() <-chan struct{} { return r.gone }

// Close ends the connection, and with it whatever still runs.
func (r *Runner) Close() error {
	if r.conn == nil {
		return nil
	}
	return r.conn.Close()
}

// Run has the engine run a step's program and waits for its end, with stdio as
// its standard streams; they stay the caller's. It sets step.Number. Several
// goroutines may call it at once. When ctx ends the program is ended, too, and
// the error is ctx's. A program that did not begin is no error: StepResult.Error
// says why.
func (r *Runner) Run(ctx context.Context, step Step, stdio [3]*os.File) (StepResult, error) {
	if err := ctx.Err(); err != nil {
		return StepResult{}, err
	}
	done, err := r.register(&step)
	if err != nil {
		return StepResult{}, err
	}
	if err := r.send(step, stdio[:]...); err != nil {
		r.forget(step.Number)
		return StepResult{}, fmt.Errorf("cannot have a program run: %w", err)
	}
	select {
	case res, ok := <-done:
		return r.outcome(res, ok, nil)
	case <-ctx.Done():
	}
	if err := r.send(Step{Number: step.Number, Cancel: true}); err != nil {
		r.conn.Close() // that ends it, too
	}
	res, ok := <-done
	return r.outcome(res, ok, ctx.Err())
}

func (r *Runner) outcome(res StepResult, ok bool, err error) (StepResult, error) {
	if ok {
		return res, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return res, r.broken
}

// register gives a step its number.
func (r *Runner) register(step *Step) (chan StepResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := errors.Join(r.err, r.broken); err != nil {
		return nil, err
	}
	r.last++
	step.Number, step.Cancel = r.last, false
	done := make(chan StepResult, 1)
	r.waiting[step.Number] = done
	return done, nil
}

func (r *Runner) forget(number int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, number)
}

func (r *Runner) send(step Step, files ...*os.File) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	return send(r.conn, step, files...)
}

// receive gives results to those who wait, until the engine has ended.
func (r *Runner) receive() {
	for {
		var res StepResult
		files, err := receive(r.conn, &res)
		closeAll(files)
		if err != nil {
			r.fail(err)
			return
		}
		r.mu.Lock()
		if done := r.waiting[res.Number]; done != nil {
			done <- res // has room for it
			delete(r.waiting, res.Number)
		}
		r.mu.Unlock()
	}
}

func (r *Runner) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = ErrGone
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = fmt.Errorf("cannot have a program run: %w", err)
	for number, done := range r.waiting {
		close(done)
		delete(r.waiting, number)
	}
	close(r.gone)
}
