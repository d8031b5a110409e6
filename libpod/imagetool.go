package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
	"skiff/runtime/program"
	"skiff/runtime/rootless"
	"skiff/state"
)

// imageStdio are the standard streams of the image tool; nil is /dev/null.
type imageStdio struct{ in, out, err *os.File }

// imageTool runs one operation of the image tool and waits for it. What the
// tool could not do comes back as Failures in the result, not as an error: an
// error means that there was no result.
func (e *Engine) imageTool(ctx context.Context, req imagecall.Request, stdio imageStdio) (imagecall.Result, error) {
	return e.callTool(ctx, req, stdio, nil)
}

// callTool is imageTool, with a further descriptor for the tool, which then has a
// mount namespace of its own, too.
func (e *Engine) callTool(ctx context.Context, req imagecall.Request, stdio imageStdio, steps *os.File) (imagecall.Result, error) {
	var res imagecall.Result
	req.Version = imagecall.Version
	req.Roots = e.Roots
	req.StorageDriver, req.StorageOptions = e.Global.StorageDriver, e.Global.StorageOptions
	req.ImageStores = e.Global.ImageStores
	req.LogLevel = e.Global.LogLevel
	note := e.noteImages(req)
	path, err := program.Path(e.Roots, program.ImageTool)
	if err != nil {
		return res, err
	}
	ask, tell, err := os.Pipe()
	if err != nil {
		return res, err
	}
	defer tell.Close()
	answer, reply, err := os.Pipe()
	if err != nil {
		ask.Close()
		return res, err
	}
	defer answer.Close()
	files := []*os.File{stdio.in, stdio.out, stdio.err, ask, reply}
	if steps != nil {
		files = append(files, steps)
	}
	wait, err := e.startTool(ctx, path, files)
	ask.Close()
	reply.Close()
	if steps != nil {
		steps.Close() // who reads from the other end is to see the tool's end
	}
	if err != nil {
		return res, fmt.Errorf("cannot start the image tool: %w", err)
	}
	sendErr := json.NewEncoder(tell).Encode(req)
	tell.Close()
	data, readErr := io.ReadAll(answer)
	waitErr := wait()
	if err := errors.Join(sendErr, readErr); err != nil {
		return res, fmt.Errorf("cannot talk to the image tool: %w", err)
	}
	if len(data) == 0 {
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		return res, fmt.Errorf("the image tool ended without an answer: %w", waitErr)
	}
	if err := json.Unmarshal(data, &res); err != nil {
		return res, fmt.Errorf("cannot understand the image tool: %w", err)
	}
	note(res)
	return res, nil
}

// withNull puts /dev/null in the place of missing standard streams.
func withNull(files []*os.File) ([]*os.File, func(), error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	out := slices.Clone(files)
	for i := range out {
		if out[i] == nil {
			out[i] = null
		}
	}
	return out, func() { null.Close() }, nil
}

// stepsAt is which of the tool's files is imagecall.StepsFD, for builds.
const stepsAt = imagecall.StepsFD

// toolGrace is how long a build may take to end in order when it was interrupted.
const toolGrace = 10 * time.Second

// endTool ends the tool when its caller does not want it any more: one that
// builds has programs and mounts to end before.
func endTool(p *os.Process, pidfd *os.File, builds bool) {
	if builds {
		p.Signal(syscall.SIGTERM)
		poll := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
		if n, _ := unix.Poll(poll, int(toolGrace.Milliseconds())); n > 0 {
			return
		}
	}
	p.Kill()
}

// startTool starts the tool, for an ordinary user as root of the user's own
// namespace, where layers can have the owners they say.
func (e *Engine) startTool(ctx context.Context, path string, files []*os.File) (func() error, error) {
	if e.Rootless() {
		all, done, err := withNull(files)
		if err != nil {
			return nil, err
		}
		defer done()
		p, err := rootless.Start([]string{path}, os.Environ(), all, rootless.Options{Warn: e.warn})
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { endTool(p.Process, p.PidFD, len(files) > stepsAt) })
		return func() error {
			defer stop()
			defer p.PidFD.Close()
			st, err := p.Wait()
			if err == nil && !st.Success() {
				err = errors.New(st.String())
			}
			return err
		}, nil
	}
	cmd := exec.CommandContext(ctx, path)
	if files[0] != nil {
		cmd.Stdin = files[0]
	}
	if files[1] != nil {
		cmd.Stdout = files[1]
	}
	if files[2] != nil {
		cmd.Stderr = files[2]
	}
	cmd.ExtraFiles = files[3:]
	if len(files) > stepsAt {
		// Mounts of the new namespace are private before the tool begins.
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = toolGrace
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return cmd.Wait, nil
}

// ToolFailure is one failure of the image tool as an error: errors.Is finds
// state.ErrNotFound and state.ErrInUse in it.
type ToolFailure struct{ imagecall.Failure }

func (f ToolFailure) Error() string { return f.Message }

// Missing is what is not there; the tool looks for images.
func (f ToolFailure) Missing() (thing, ref string) { return "image", f.Image }

// Is tells the kinds apart.
func (f ToolFailure) Is(target error) bool {
	switch f.Kind {
	case imagecall.FailNotFound:
		return target == state.ErrNotFound
	case imagecall.FailInUse:
		return target == state.ErrInUse
	case imagecall.FailUsage:
		return target == state.ErrInvalid
	}
	return false
}

// failure is the first failure of a result, or nil.
func failure(res imagecall.Result) error {
	if len(res.Failures) == 0 {
		return nil
	}
	return ToolFailure{res.Failures[0]}
}
