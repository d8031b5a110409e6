package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/libpod/account"
	"skiff/libpod/resolve"
	"skiff/rootfs/safepath"
	"skiff/runtime/hostfacts"
	"skiff/runtime/monitorclient"
	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/process"
)

// ExecRequest is a further program to run in a container. It travels to the
// exec stage as JSON.
type ExecRequest struct {
	Args []string `json:"args"`
	// Env are NAME=value, added to the container's own.
	Env         []string `json:"env,omitempty"`
	Cwd         string   `json:"cwd,omitempty"`
	User        string   `json:"user,omitempty"`
	TTY         bool     `json:"tty,omitempty"`
	Interactive bool     `json:"interactive,omitempty"`
	// FirstTerm gives a program without a terminal the TERM of the container's
	// first process, where that has a terminal: as Podman does and Docker does not.
	FirstTerm  bool `json:"firstTerm,omitempty"`
	Privileged bool `json:"privileged,omitempty"`
	Detach     bool `json:"-"`
	// Files runs no program in the container but skiff's own internal command
	// files beside it, in the user namespace that the container is in.
	Files bool `json:"files,omitempty"`
	// PreserveFDs are this process's descriptors that the program gets under the
	// same numbers. Podman: --preserve-fds, --preserve-fd.
	PreserveFDs []int `json:"-"`
	// Attach are the user's streams; not looked at with Detach.
	Attach AttachOptions `json:"-"`
}

// ExecOptions completes a request with what the running container says.
func (e *Engine) ExecOptions(box *sandbox.Sandbox, id string, req ExecRequest) (sandbox.ExecOptions, error) {
	cfg, err := e.Store.Load(id)
	if err != nil {
		return sandbox.ExecOptions{}, err
	}
	root, err := safepath.OpenRoot(box.Root())
	if err != nil {
		return sandbox.ExecOptions{}, fmt.Errorf("cannot look into container %s: %w", id, err)
	}
	defer root.Close()
	who := req.User
	if who == "" {
		who = cfg.Process.User
	}
	user, err := account.Resolve(root, who, cfg.Process.Groups)
	if err != nil {
		return sandbox.ExecOptions{}, err
	}
	secret, err := SecretEnv(e.Roots.Container(id), cfg.Extra().Secrets)
	if err != nil {
		return sandbox.ExecOptions{}, err
	}
	env := mergeEnv(cfg.Process.Env, secret)
	if linked, err := e.Links(cfg, true); err == nil && len(linked.Env) > 0 {
		env = mergeEnv(linked.Env, env)
	}
	o := sandbox.ExecOptions{
		Args: req.Args,
		Env:  spec.Environment(mergeEnv(env, req.Env), cfg.Hostname, user.Home, req.TTY || req.FirstTerm && cfg.Process.Terminal),
		Cwd:  req.Cwd,
		User: user,
	}
	if o.Cwd == "" {
		o.Cwd = cfg.Process.Cwd
	}
	if req.Privileged {
		o.Capabilities = hostfacts.New().Capabilities() // not those that no process here can have
	}
	return o, nil
}

// mergeEnv sets the variables of add in base, keeping the order.
func mergeEnv(base, add []string) []string {
	out := slices.Clone(base)
	for _, kv := range add {
		name, _, _ := strings.Cut(kv, "=")
		i := slices.IndexFunc(out, func(o string) bool { return strings.HasPrefix(o, name+"=") })
		if i < 0 {
			out = append(out, kv)
		} else {
			out[i] = kv
		}
	}
	return out
}

// Exec runs a program in a running container and gives its exit status; with
// Detach it gives 0 as soon as the program has begun.
//
// session names a detached program's session, for the user to see.
func (e *Engine) Exec(ctx context.Context, ref string, req ExecRequest) (exit int, session string, err error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return 125, "", err
	}
	exit, err = e.exec(ctx, id, ref, req)
	if err == nil && req.Detach {
		session = resolve.ID()
	}
	return exit, session, err
}

func (e *Engine) exec(ctx context.Context, id, ref string, req ExecRequest) (int, error) {
	st, err := e.status(ctx, id)
	if err != nil {
		return 125, err
	}
	if st.Phase == state.Paused {
		return 125, fmt.Errorf("cannot exec in container %s: it is paused, unpause it first", ref)
	}
	if st.Phase != state.Running {
		return 125, fmt.Errorf("cannot exec in container %s: it is not running, can only create exec sessions on running containers: container state improper", ref)
	}
	byMonitor := req.Detach || e.Rootless()
	if byMonitor && len(req.PreserveFDs) > 0 {
		return 125, errors.New("cannot preserve descriptors: the program is not started by this command, but by the container's monitor")
	}
	ended := e.noteExec(id, req)
	var code int
	if byMonitor {
		code, err = e.execByMonitor(ctx, id, ref, req)
	} else {
		code, err = e.execHere(ctx, id, ref, req)
	}
	ended(code, err)
	return code, err
}

// execByMonitor has the container's monitor run the program: for one that
// nobody waits for, and for users who are not root outside.
func (e *Engine) execByMonitor(ctx context.Context, id, ref string, req ExecRequest) (int, error) {
	s := req.Attach
	data, err := json.Marshal(req)
	if err != nil {
		return 125, err
	}
	conn, err := monitorclient.Dial(e.Roots.Container(id))
	if err != nil {
		return 125, fmt.Errorf("cannot exec in container %s: %w", ref, err)
	}
	x := wire.Exec{Spec: data, Terminal: req.TTY, Size: s.Size, Detach: req.Detach, OpenStdin: req.Interactive}
	if !req.Detach {
		x.Attach = streams(s)
	}
	session, err := conn.Exec(x)
	if err != nil {
		return startCode(err), err
	}
	if req.Detach {
		session.Close()
		return 0, nil
	}
	return e.follow(ctx, session, s, session.Status())
}

// execHere enters the container from this process.
func (e *Engine) execHere(ctx context.Context, id, ref string, req ExecRequest) (int, error) {
	s := req.Attach
	box, err := sandbox.Load(e.Roots.Sandboxes(), id)
	if err != nil {
		return 125, fmt.Errorf("cannot exec in container %s: %w", ref, err)
	}
	o, err := e.ExecOptions(box, id, req)
	if err != nil {
		return 125, err
	}
	files, err := inherited(req.PreserveFDs)
	if err != nil {
		return 125, err
	}
	defer closeAll(files...)
	if o.ExtraFiles, err = InPlace(files, req.PreserveFDs); err != nil {
		return 125, err
	}
	local, err := newExecStreams(&o, req, s)
	if err != nil {
		return 125, err
	}
	defer local.close()
	p, err := box.Exec(o)
	local.started()
	if err != nil {
		return execCode(err), err
	}
	target := state.Status{Pid: p.Pid(), PidStart: p.PidStart()}
	if s.Begin != nil {
		if err := s.Begin(); err != nil {
			process.Signal(target.Pid, target.PidStart, unix.SIGKILL)
			return 125, err
		}
	}
	left := local.copy(s)
	exited := make(chan execEnd, 1)
	go func() {
		code, err := p.Wait()
		exited <- execEnd{code, err}
	}()
	for {
		select {
		case end := <-exited:
			local.drain()
			return end.code, end.err
		case err := <-left:
			if err != nil {
				return 0, err
			}
		case size := <-s.Sizes:
			local.resize(size)
		case sig := <-s.Signals:
			signal(target, unix.Signal(sig))
		case <-ctx.Done():
			process.Signal(target.Pid, target.PidStart, unix.SIGKILL)
			return 125, ctx.Err()
		}
	}
}

type execEnd struct {
	code int
	err  error
}

func execCode(err error) int {
	switch {
	case errors.Is(err, sandbox.ErrNotExecutable):
		return 126
	case errors.Is(err, sandbox.ErrNotFound):
		return 127
	}
	return 125
}

// closeAll closes what is not nil.
func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
