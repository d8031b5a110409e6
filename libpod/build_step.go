package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"skiff/libpod/resolve"
	"skiff/rootfs/imagecall"
	"skiff/runtime/monitorclient"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/cleanup"
)

// StepHostname is the host name of the containers of builds. It gets into files
// that programs make, so it is always the same: BuildKit's.
const StepHostname = "buildkitsandbox"

// stepRun runs the steps of one build.
type stepRun struct {
	e   *Engine // whose containers are steps
	req BuildRequest

	mu  sync.Mutex
	ids []string // of the containers there were
}

// steps is the engine with the steps of builds as its containers.
func (e *Engine) steps() *Engine {
	s := *e
	s.Roots.Steps, s.Global.Roots.Steps = true, true
	store := *e.Store
	store.Roots = s.Roots
	s.Store = &store
	s.Global.Events.Path = "" // they are nobody's containers
	return &s
}

// handle runs one step until its end.
func (r *stepRun) handle(ctx context.Context, step imagecall.Step, stdio [3]*os.File) imagecall.StepResult {
	cfg, err := r.config(step)
	if err != nil {
		return imagecall.StepResult{Code: 125, Error: err.Error()}
	}
	st, err := r.run(ctx, cfg, step, stdio)
	if err != nil {
		return imagecall.StepResult{Code: stepCode(err), Error: stepError(err)}
	}
	return imagecall.StepResult{Code: st.ExitCode, OOMKilled: st.OOMKilled, Usage: st.Usage}
}

// stepCode is the exit status of a step that did not start: that of run, but the
// runtime's own where that did not take its options, as in Podman.
func stepCode(err error) int {
	var f wire.Failure
	if errors.As(err, &f) && f.Flags {
		return 1
	}
	return startCode(err)
}

// stepError leaves out what is said of the container, which nobody knows.
func stepError(err error) string {
	var f wire.Failure
	if errors.As(err, &f) {
		return f.Message
	}
	return err.Error()
}

// run makes the step's container, starts it and waits for its end.
func (r *stepRun) run(ctx context.Context, cfg *state.Config, step imagecall.Step, stdio [3]*os.File) (state.Status, error) {
	e := r.e
	if step.Terminal {
		attach, done, err := r.terminal()
		if err != nil {
			return state.Status{}, err
		}
		defer done()
		return r.runAttached(ctx, cfg, attach)
	}
	if t := r.req.Template; t != nil && t.Config != nil && t.Config.Process.OpenStdin {
		stdio[0] = os.Stdin // --stdin
	}
	// The processes start while the record is made.
	start := monitorclient.StartOptions{Stdin: stdio[0], Stdout: stdio[1], Stderr: stdio[2]}
	ahead, err := e.newMonitor(cfg.ID, "", start)
	if err != nil {
		return state.Status{}, err
	}
	defer ahead.Cancel()
	session, err := r.launch(ctx, cfg, launchOptions{bound: true, stdio: &stdio, ahead: ahead})
	if err != nil {
		return state.Status{}, err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { signal(session.Status(), unix.SIGKILL) })
	defer stop()
	return session.Run(os.Stdout, os.Stderr) // there is no output: it goes to stdio
}

// launch makes the record and starts the container. What fails or is
// interrupted leaves nothing.
func (r *stepRun) launch(ctx context.Context, cfg *state.Config, lo launchOptions) (*monitorclient.Session, error) {
	e := r.e
	r.mu.Lock()
	r.ids = append(r.ids, cfg.ID)
	r.mu.Unlock()
	if err := e.Store.Create(cfg); err != nil {
		return nil, err
	}
	session, err := e.launch(ctx, cfg.ID, lo)
	if err != nil {
		return nil, errors.Join(err, r.drop(cfg))
	}
	return session, nil
}

// drop removes the record of a step that did not begin, when its monitor, which
// it is bound to, has ended.
func (r *stepRun) drop(cfg *state.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), stepGone)
	defer cancel()
	for {
		_, err := r.e.removeIdle(ctx, cfg.ID, RemoveOptions{Volumes: true})
		live, serr := r.e.Store.Status(cfg.ID)
		if errors.Is(serr, state.ErrNotFound) {
			return nil
		}
		if !live.Phase.Active() && err != nil {
			return err
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("cannot end a step's container: %w", err)
		}
	}
}

// runAttached runs a step in the caller's terminal.
func (r *stepRun) runAttached(ctx context.Context, cfg *state.Config, s AttachOptions) (state.Status, error) {
	lo := attached(s)
	lo.bound = true
	session, err := r.launch(ctx, cfg, lo)
	if err != nil {
		return state.Status{}, err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { signal(session.Status(), unix.SIGKILL) })
	defer stop()
	code, err := r.e.follow(context.WithoutCancel(ctx), session, s, session.Status())
	return state.Status{ExitCode: code}, err
}

func (r *stepRun) terminal() (AttachOptions, func(), error) {
	if r.req.Terminal == nil {
		return AttachOptions{}, nil, errors.New("cannot open a shell: there is no terminal")
	}
	return r.req.Terminal()
}

// config is that of a step's container: the template's, with what the step says.
func (r *stepRun) config(step imagecall.Step) (*state.Config, error) {
	if err := r.permitted(step); err != nil {
		return nil, err
	}
	req := CreateRequest{Config: &state.Config{}}
	if r.req.Template != nil {
		req = *r.req.Template
	}
	asked := state.Config{}
	if req.Config != nil {
		asked = *req.Config
	}
	asked.ID = resolve.ID()
	asked.Name = asked.ID // in the place of a generated one
	asked.Image, asked.Labels, asked.Annotations = state.ImageRef{}, nil, nil
	asked.Restart, asked.Healthcheck, asked.Notify = state.RestartPolicy{}, nil, state.NotifyIgnore
	asked.Log = state.LogConfig{Driver: state.LogNone}
	asked.AutoRemove = true
	if asked.Hostname == "" {
		asked.Hostname = StepHostname
	}
	// Proxies are no part of what the cache knows steps by.
	proxies := resolve.Proxies(req.Explicit, r.e.Settings.Containers.HTTPProxy)
	asked.Process = state.Process{
		Entrypoint: step.Args, Env: append(proxies, step.Env...), Cwd: step.Cwd, User: step.User, Groups: asked.Process.Groups,
		Terminal: step.Terminal, OpenStdin: true, OOMScoreAdj: asked.Process.OOMScoreAdj,
	}
	for _, d := range step.Devices {
		asked.Devices = append(slices.Clip(asked.Devices), state.Device{Vendor: d})
	}
	if step.Insecure {
		asked.Security.Privileged = true
	}
	if step.Network == state.ModeNone || step.Network == state.ModeHost {
		asked.Network = state.Network{
			Mode: step.Network, DNS: asked.Network.DNS, DNSSearch: asked.Network.DNSSearch,
			DNSOptions: asked.Network.DNSOptions, ExtraHosts: asked.Network.ExtraHosts,
		}
	}
	mounts, err := stepMounts(step.Mounts)
	if err != nil {
		return nil, err
	}
	asked.Mounts = slices.Concat(asked.Mounts, mounts)
	given := &req.Explicit
	given.Entrypoint, given.User, given.Workdir, given.LogDriver, given.Init = true, true, true, true, true
	given.UnsetEnvAll, given.NoHealthcheck, given.Systemd = true, true, "false"
	req.Config = &asked
	return r.resolve(req, step)
}

// resolve completes the config as that of any container.
func (r *stepRun) resolve(req CreateRequest, step imagecall.Step) (cfg *state.Config, err error) {
	if cfg, err = r.e.resolve(req, nil, ""); err != nil {
		return nil, err
	}
	x := cfg.Extra()
	// What would change files of the image that are none of the step's business.
	x.Timezone, x.AddUser, x.HostUsers, x.ChrootDirs, x.NoHostname = "", false, nil, nil, true
	x.Build = &state.BuildStep{Lower: step.Lower, Upper: step.Upper, Work: step.Work, EnvFile: step.EnvFile}
	cfg.Extras, cfg.Name = &x, ""
	if cfg.OwnUserNS() || !req.IDMap.Empty() {
		return nil, state.Errorf(state.ErrInvalid, "cannot build in a user namespace of the container's own: files would get other owners")
	}
	if _, err := r.e.checkExtras(cfg); err != nil {
		return nil, err
	}
	if err := r.e.Networks().Validate(cfg.Network); err != nil {
		return nil, err
	}
	var undo cleanup.Stack
	defer undo.UnlessDone(&err)
	return cfg, r.e.sources(cfg, req.Volumes, &undo)
}

// permitted refuses what the caller has not allowed.
func (r *stepRun) permitted(step imagecall.Step) error {
	allowed := func(what string) bool { return slices.Contains(r.req.Allow, what) }
	host := r.req.Template != nil && r.req.Template.Config != nil && r.req.Template.Config.Network.Mode == state.ModeHost
	switch {
	case step.Insecure && !allowed(AllowInsecure):
		return state.Errorf(state.ErrInvalid, "%s is not allowed: use --allow %s to permit RUN --security=insecure", AllowInsecure, AllowInsecure)
	case step.Network == state.ModeHost && !host && !allowed(AllowHostNetwork):
		return state.Errorf(state.ErrInvalid, "%s is not allowed: use --allow %s to permit RUN --network=host", AllowHostNetwork, AllowHostNetwork)
	case len(step.Args) == 0:
		return state.Errorf(state.ErrInvalid, "there is nothing to run")
	}
	for _, d := range step.Devices {
		kind, _, _ := strings.Cut(d, "=")
		if !slices.ContainsFunc([]string{"", "=" + d, "=" + kind, "=" + kind + "=*"}, func(of string) bool { return allowed(AllowDevice + of) }) {
			return state.Errorf(state.ErrInvalid, "%s is not allowed: use --allow %s=%s to permit RUN --device=%s", AllowDevice, AllowDevice, d, d)
		}
	}
	return nil
}

// stepMounts are a step's mounts as those of a container.
func stepMounts(list []imagecall.Mount) ([]state.Mount, error) {
	var out []state.Mount
	for _, m := range list {
		sm := state.Mount{Target: path.Clean(m.Target), ReadOnly: m.ReadOnly, Subpath: m.Subpath}
		switch {
		case !path.IsAbs(m.Target) || sm.Target == "/":
			return nil, state.Errorf(state.ErrInvalid, "cannot mount on %q: want an absolute path below /", m.Target)
		case len(m.Layers) > 0:
			sm.Type, sm.Layers = state.MountLayers, m.Layers
		case m.Tmpfs:
			sm.Type, sm.Options = state.MountTmpfs, []string{"exec", "dev"}
			if m.Size > 0 {
				sm.Options = append(sm.Options, "size="+strconv.FormatInt(m.Size, 10))
			}
		case m.Source != "":
			sm.Type, sm.Source = state.MountBind, m.Source
		default:
			return nil, state.Errorf(state.ErrInvalid, "cannot mount on %q: there is no source", m.Target)
		}
		if slices.ContainsFunc(out, func(o state.Mount) bool { return o.Target == sm.Target }) {
			return nil, state.Errorf(state.ErrInvalid, "duplicate mount target %s", sm.Target)
		}
		out = append(out, sm)
	}
	return out, nil
}
