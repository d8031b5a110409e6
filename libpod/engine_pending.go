// Package libpod is the engine: one verb per file.
package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"skiff/libpod/attach"
	"skiff/libpod/resolve"
	"skiff/libpod/settings"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/state"
	"skiff/state/dirs"
)

var errPending = errors.New("the engine is not linked")

type Options struct {
	Root, RunRoot, StorageDriver string
	StorageOptions               []string
	CgroupManager, Runtime       string
	LogLevel                     string
	Modules                      []string
}

type Engine struct {
	Roots    dirs.Roots
	Store    *state.Store
	Images   layer.Images
	Settings settings.Settings
	Global   Options
}

func Open(o Options, s settings.Settings) (*Engine, error) {
	roots := dirs.Roots{Data: o.Root, Run: o.RunRoot}
	store, err := state.Open(roots)
	if err != nil {
		return nil, err
	}
	return &Engine{Roots: roots, Store: store, Images: layer.Images{Roots: roots}, Settings: s, Global: o}, nil
}

func (e *Engine) Rootless() bool { return os.Getuid() != 0 }

type imageStdio struct{ in, out, err *os.File }

// imageTool runs the program that SKIFF_IMAGETOOL names.
func (e *Engine) imageTool(ctx context.Context, req imagecall.Request, stdio imageStdio) (res imagecall.Result, err error) {
	req.Version, req.Roots = imagecall.Version, e.Roots
	ask, tell, _ := os.Pipe()
	answer, reply, _ := os.Pipe()
	cmd := exec.CommandContext(ctx, os.Getenv("SKIFF_IMAGETOOL"))
	if stdio.in != nil {
		cmd.Stdin = stdio.in
	}
	if stdio.out != nil {
		cmd.Stdout = stdio.out
	}
	if stdio.err != nil {
		cmd.Stderr = stdio.err
	}
	cmd.ExtraFiles = []*os.File{ask, reply}
	if err := cmd.Start(); err != nil {
		return res, err
	}
	ask.Close()
	reply.Close()
	json.NewEncoder(tell).Encode(req)
	tell.Close()
	err = json.NewDecoder(answer).Decode(&res)
	return res, errors.Join(err, cmd.Wait())
}

type ToolFailure struct{ imagecall.Failure }

func (f ToolFailure) Error() string { return f.Message }
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

type CreateRequest struct {
	Config    *state.Config
	Image     string
	Pull      string
	Platform  string
	Quiet     bool
	Authfile  string
	CertDir   string
	TLSVerify *bool
	Replace   bool
	CIDFile   string
	Explicit  resolve.Given
}

type AttachOptions = attach.Options

type StartOptions struct{ Attach *AttachOptions }

type StartResult struct {
	ID       string
	ExitCode int
	Attached bool
}

type RunOptions struct {
	Detach bool
	Attach AttachOptions
}

type ExecRequest struct {
	Args, Env                            []string
	Cwd, User                            string
	TTY, Interactive, Detach, Privileged bool
	Attach                               AttachOptions
}

type RemoveOptions struct {
	Force, Volumes, Depend bool
	Time                   *int
}

type LogOptions struct {
	Follow, Timestamps, Details bool
	Tail                        int // -1: all
	Since, Until                time.Time
	Stdout, Stderr              io.Writer
}

func (e *Engine) Create(context.Context, CreateRequest) (string, error) { return "", errPending }
func (e *Engine) Start(context.Context, string, StartOptions) (StartResult, error) {
	return StartResult{}, errPending
}
func (e *Engine) Run(context.Context, CreateRequest, RunOptions) (string, int, error) {
	return "", 0, errPending
}
func (e *Engine) Attach(context.Context, string, AttachOptions) (int, error) { return 0, errPending }
func (e *Engine) Exec(context.Context, string, ExecRequest) (int, string, error) {
	return 0, "", errPending
}
func (e *Engine) Stop(context.Context, string, *int) error            { return errPending }
func (e *Engine) Restart(context.Context, string, *int) error         { return errPending }
func (e *Engine) Kill(context.Context, string, syscall.Signal) error  { return errPending }
func (e *Engine) Remove(context.Context, string, RemoveOptions) error { return errPending }
func (e *Engine) Rename(context.Context, string, string) error        { return errPending }
func (e *Engine) Pause(context.Context, string) error                 { return errPending }
func (e *Engine) Unpause(context.Context, string) error               { return errPending }
func (e *Engine) Top(context.Context, string, []string) ([][]string, error) {
	return nil, errPending
}
func (e *Engine) Logs(context.Context, string, LogOptions) error { return errPending }
func (e *Engine) Wait(context.Context, string, []string, time.Duration) (int, error) {
	return 0, errPending
}
func (e *Engine) Select(refs []string, all, latest bool, filters, cidfiles []string, ignore bool) ([]string, error) {
	return nil, errPending
}

// ErrRunning: what was asked cannot be done to a container that runs.
var ErrRunning = errors.New("container is running")

// Config is a container's config by its name, id or prefix of an id.
func (e *Engine) Config(ref string) (*state.Config, error) { return nil, errPending }
