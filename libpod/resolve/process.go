package resolve

import (
	"errors"
	"fmt"
	"strings"

	"skiff/libpod/signal"
	"skiff/state"
)

// ErrNoCommand means that neither the user nor the image says what to run.
var ErrNoCommand = errors.New("no command specified: the image has none, give one after the image's name")

// process merges what is run and how. The rules are Docker's: the user's
// entrypoint drops the image's command, the user's command replaces it.
func (b *builder) process() error {
	p, given, conf := &b.cfg.Process, b.in.Given, b.in.Defaults
	if !given.Entrypoint {
		p.Entrypoint = b.img.Entrypoint
		if len(p.Cmd) == 0 {
			p.Cmd = b.img.Cmd
		}
	}
	if args := p.Args(); len(args) == 0 || args[0] == "" {
		if b.cfg.Extra().Rootfs == nil {
			return ErrNoCommand
		}
		// There is no image that could have one: the start says that "" is not found,
		// as in Podman.
		p.Entrypoint, p.Cmd = nil, []string{""}
	}
	if !given.User {
		p.User = b.img.User
	}
	if !given.Workdir {
		p.Cwd = b.img.WorkingDir
	}
	if p.Cwd == "" {
		p.Cwd = "/"
	}
	if !strings.HasPrefix(p.Cwd, "/") {
		p.Cwd = "/" + p.Cwd // Docker: an image's relative directory is below /
	}
	if !given.StopSignal && b.img.StopSignal != "" {
		sig, err := signal.Parse(b.img.StopSignal)
		if err != nil {
			return fmt.Errorf("cannot use the image's stop signal: %w", err)
		}
		p.StopSignal = int(sig)
	}
	if p.StopTimeout == nil {
		p.StopTimeout = conf.Engine.StopTimeout
	}
	if !given.Init {
		p.Init = conf.Containers.Init
	}
	if p.OOMScoreAdj == nil {
		p.OOMScoreAdj = conf.Containers.OOMScoreAdj
	}
	return nil
}

// environment puts the sources of variables above each other: skiff's own,
// containers.conf, the image's, the caller's (--env-host), the user's. The spec
// adds PATH, HOME, HOSTNAME and TERM where all of them are silent, when the
// container starts and it is known who it runs as.
func (b *builder) environment() error {
	p, given := &b.cfg.Process, b.in.Given
	var e env
	if !given.UnsetEnvAll {
		e.add("container=skiff")
		e.add(b.in.Defaults.Containers.Env...)
		e.add(b.img.Env...)
		e.add(b.hostEnv()...)
		e.add(b.proxies()...)
		for _, name := range given.UnsetEnv {
			e.drop(name)
		}
	}
	err := e.merge(given.EnvMerge)
	e.add(p.Env...)
	p.Env = e
	return err
}

// hostEnv is the caller's whole environment, if it is to be passed on.
func (b *builder) hostEnv() []string {
	if b.in.Given.EnvHost == nil && b.in.Defaults.Containers.EnvHost && b.in.Given.Environ != nil {
		return b.in.Given.Environ()
	}
	return b.in.Given.EnvHost
}

// env is a list of NAME=value in which each name occurs once, where it was
// first set.
type env []string

func (e *env) add(kvs ...string) {
	for _, kv := range kvs {
		name, _, ok := strings.Cut(kv, "=")
		if !ok {
			kv += "="
		}
		if i := e.find(name); i >= 0 {
			(*e)[i] = kv
		} else if name != "" {
			*e = append(*e, kv)
		}
	}
}

func (e env) find(name string) int {
	for i, kv := range e {
		if k, _, _ := strings.Cut(kv, "="); k == name {
			return i
		}
	}
	return -1
}

func (e *env) drop(name string) {
	if i := e.find(name); i >= 0 {
		*e = append((*e)[:i:i], (*e)[i+1:]...)
	}
}

// namespaces fills in containers.conf's defaults and turns the names of other
// containers into ids.
func (b *builder) namespaces() error {
	ns, conf := &b.cfg.Namespaces, b.in.Defaults.Containers
	for _, n := range []struct {
		kind string
		dst  *string
		def  string
	}{
		{"pid", &ns.Pid, conf.PidNS},
		{"ipc", &ns.Ipc, conf.IpcNS},
		{"uts", &ns.Uts, conf.UtsNS},
		{"userns", &ns.User, conf.UserNS},
		{"cgroupns", &ns.Cgroup, conf.CgroupNS},
	} {
		if *n.dst == "" {
			*n.dst = n.def
		}
		ref, ok := strings.CutPrefix(*n.dst, state.ModeContainer)
		if !ok {
			continue
		}
		other, err := b.other("--"+n.kind, ref)
		if err != nil {
			return err
		}
		switch mode := other.Namespaces.Ipc; {
		case n.kind == "ipc" && mode == "none":
			return invalid("cannot use container %q for --ipc: it has no IPC namespace of its own to share", ref)
		case n.kind == "ipc" && mode == "private":
			return invalid("joining the IPC namespace of container %q is not allowed: non-shareable IPC (hint: use IpcMode:shareable for the donor container)", ref)
		}
		*n.dst = state.ModeContainer + other.ID
	}
	if ns.Uts == "host" && b.in.Given.Hostname {
		return conflict("--hostname", "--uts host")
	}
	return nil
}

// other finds the container that this one shares something with.
func (b *builder) other(option, ref string) (*state.Config, error) {
	if b.in.Find == nil {
		return nil, fmt.Errorf("cannot use container %q for %s: %w", ref, option, state.ErrNotFound)
	}
	other, err := b.in.Find(ref)
	if err != nil {
		return nil, fmt.Errorf("cannot use container %q for %s: %w", ref, option, err)
	}
	return other, nil
}
