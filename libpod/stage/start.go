package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"skiff/libpod"
	"skiff/rootfs/layer"
	"skiff/rootfs/safepath"
	"skiff/runtime/hostfacts"
	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/cleanup"
	"skiff/state/dirs"
)

// starter is one start under way.
type starter struct {
	engine *libpod.Engine
	cfg    *state.Config
	dirs   dirs.Container
	facts  hostfacts.Facts
	root   *safepath.Root
	// user is the container's own user namespace, nil without one.
	user *userNamespace
	// console is the socket on which libcontainer sends the terminal, nil without
	// one. The claim on the container stays open until this process ends.
	console *os.File
	// callers are descriptors of the caller's for the first process.
	callers []*os.File
	// held are descriptors that paths in the spec refer to.
	held []*os.File
	// warnings are lines for the user, who is told them when the start succeeds.
	warnings []string
	// imageMounts counts the other overlays that are mounted.
	imageMounts int
	// looking says that nothing is started: only the files are to be seen.
	looking bool
	// hierarchies waits for the container's cgroups on v1; nil where another runtime
	// makes them.
	hierarchies func() *sandbox.Hierarchies
	// cgroupPath is the place of a cgroup that is not below the usual parent.
	cgroupPath string
	// own are the hooks that this process and the teardown run themselves.
	own hookSet
	// announced says that the monitor knows what is to be undone.
	announced bool
	undo      cleanup.Stack
}

// start makes the container, reports it to the monitor, and lets the user's
// program begin when the monitor says so. On error everything is undone.
func start(ctx context.Context, e *libpod.Engine, id string) (err error) {
	s := &starter{engine: e, dirs: e.Roots.Container(id), facts: hostfacts.New().Facts()}
	if err := s.load(id); err != nil {
		return err
	}
	defer s.undo.UnlessDone(&err)

	if err := s.openUserNamespace(); err != nil {
		return err
	}
	if s.cfg.AutoRemove {
		s.undo.Push(s.engine.LeaveCgroups) // no command will come that removes it
	}
	if err := s.placeCgroup(); err != nil {
		return err
	}
	held, err := s.beginHierarchies(s.knownInputs())
	if err != nil {
		return err
	}
	defer held.Release()
	net, err := s.newNetwork()
	if err != nil {
		return err
	}
	defer net.close()
	if err := s.connect(ctx, net); err != nil {
		return err
	}
	in, err := s.inputs(net)
	if err != nil {
		return err
	}
	box, err := s.create(in)
	if err != nil {
		return err
	}
	s.undo.Push(box.Destroy)
	return s.begin(ctx, box, net)
}

// load waits for the container's record and reads it.
func (s *starter) load(id string) (err error) {
	if err := s.awaitBegin(); err != nil {
		return err
	}
	if s.cfg, err = s.engine.Store.Load(id); err != nil {
		return err
	}
	if s.cfg.Process.Terminal && len(s.callers) > 0 {
		s.console, s.callers = s.callers[0], s.callers[1:]
	}
	return s.chooseRuntime()
}

// connect begins the network and mounts the root. The network comes first,
// because it works on beside the mount, unless the names in it are in the image.
func (s *starter) connect(ctx context.Context, net *networkStep) error {
	if s.cfg.Extra().HostsFile == "image" {
		if err := s.openRoot(); err != nil {
			return err
		}
	}
	if err := s.hostsBase(net); err != nil {
		return err
	}
	if err := s.link(net); err != nil {
		return err
	}
	if err := net.begin(ctx); err != nil || s.root != nil {
		return err
	}
	return s.openRoot()
}

// openRoot mounts the root and makes in it what every container finds.
func (s *starter) openRoot() error {
	if err := s.mountRoot(); err != nil {
		return err
	}
	return s.linkMtab()
}

// begin finishes the network of a container that was created and lets its
// program begin.
func (s *starter) begin(ctx context.Context, box *sandbox.Sandbox, net *networkStep) error {
	if err := net.adopt(ctx, box.Pid()); err != nil {
		return err
	}
	if err := net.wait(); err != nil {
		return err
	}
	if err := s.writePidFiles(box); err != nil {
		return err
	}
	if err := s.announce(box, net); err != nil {
		return err
	}
	if err := box.Start(); err != nil {
		return err
	}
	s.afterStart(ctx, box)
	return nil
}

// errNotBegun means that the container is not to be started after all.
var errNotBegun = errors.New("the monitor has nothing to start")

// awaitBegin waits until the container's record is written and takes the
// container's streams. Until then nothing is done that would have to be undone.
func (s *starter) awaitBegin() error {
	kind, _, fds, err := wire.ReceiveFDs(monitorFD)
	if err != nil || kind != wire.KindBegin || len(fds) < 4 {
		return errNotBegun
	}
	for i, fd := range fds[:3] {
		if err := unix.Dup3(fd, i, 0); err != nil {
			return fmt.Errorf("cannot take the container's streams: %w", err)
		}
		unix.Close(fd)
	}
	for _, fd := range fds[4:] {
		s.callers = append(s.callers, os.NewFile(uintptr(fd), "of the caller"))
	}
	return nil
}

// rootTarget is the directory to mount the root file system on.
func (s *starter) rootTarget() (string, error) {
	if s.user != nil {
		return s.user.staging.Root, nil
	}
	dir := s.dirs.Rootfs()
	return dir, layer.PrivateMountPoint(dir)
}

// mountRoot mounts the container's root file system where only this process
// and its children see it.
func (s *starter) mountRoot() error {
	target, err := s.rootTarget()
	if err != nil {
		return err
	}
	o := layer.Overlay{
		Upper:    s.dirs.Upper(),
		Work:     s.dirs.Work(),
		Target:   target,
		UserNS:   s.facts.UserNS,
		Volatile: s.cfg.AutoRemove,
	}
	if s.cfg.Extra().Build != nil {
		o = s.stepView(target)
	} else if s.cfg.Image.ID != "" {
		img, err := s.engine.Images.Load(s.cfg.Image.ID)
		if err != nil {
			return fmt.Errorf("cannot find the container's image: %w", err)
		}
		if o.Lower, err = s.layers(img.Layers); err != nil {
			return err
		}
	} else if s.user != nil {
		if err := os.Lchown(o.Upper, int(s.user.uid), int(s.user.gid)); err != nil {
			return err
		}
	}
	if err := s.mountOver(o); err != nil {
		return err
	}
	root, err := safepath.OpenRoot(target)
	if err != nil {
		return err
	}
	s.root = root
	return nil
}

func (s *starter) create(in spec.Inputs) (*sandbox.Sandbox, error) {
	sp, err := spec.Build(s.cfg, in)
	if err != nil {
		return nil, err
	}
	if err := s.addVendors(sp); err != nil {
		return nil, err
	}
	if err := s.coverStubs(sp); err != nil {
		return nil, err
	}
	if err := s.findHooks(sp); err != nil {
		return nil, err
	}
	if len(s.own.poststop) > 0 {
		s.undo.Push(s.undoHooks)
	}
	o := sandbox.Options{
		ID:            s.cfg.ID,
		StateRoot:     s.engine.Roots.Sandboxes(),
		Spec:          sp,
		SystemdCgroup: s.cfg.CgroupManager == "systemd",
		Rootless:      s.facts.UserNS,
		Stdin:         os.Stdin,
		Stdout:        os.Stdout,
		Stderr:        os.Stderr,
		Runtime:       s.cfg.Runtime,
		RuntimeFlags:  s.cfg.Extra().RuntimeFlags,
		NoCgroup:      s.withoutCgroup(),
	}
	if o.ExtraFiles, err = libpod.InPlace(s.callers, s.cfg.Extra().PreserveFDs); err != nil {
		return nil, err
	}
	if s.cfg.Process.Terminal {
		o.Stdin, o.Stdout, o.Stderr = nil, nil, nil
		o.ConsoleSocket = s.console
	}
	if s.user != nil && s.cfg.Runtime != "" {
		// Most want them also for a namespace that is there.
		sp.Linux.UIDMappings, sp.Linux.GIDMappings = specMap(s.user.maps.UIDs), specMap(s.user.maps.GIDs)
	}
	if s.cfg.Runtime == "" {
		o.DevicesMade = s.premount(sp)
		o.Hierarchies = s.hierarchies()
	}
	return sandbox.Create(o)
}

// warn tells the user, through the monitor, what is done without.
func (s *starter) warn(line string) { s.warnings = append(s.warnings, line) }

// announce hands the created container to the monitor and waits for its word.
func (s *starter) announce(box *sandbox.Sandbox, net *networkStep) error {
	st := wire.Stage{
		Version:   wire.Version,
		Pid:       box.Pid(),
		PidStart:  box.PidStart(),
		Network:   net.result.Status,
		Teardown:  net.result.Teardown,
		OOMFiles:  box.OOMFiles(),
		Warnings:  s.warnings,
		OpenFiles: sandbox.OpenFiles(),
	}
	st.Teardown.Cgroups = append(st.Teardown.Cgroups, box.Cgroups()...)
	st.Teardown.Files = append(st.Teardown.Files, box.StateDir())
	if len(s.own.poststop) > 0 {
		st.Teardown.Hooks, st.Teardown.Engine = s.own.poststop, true
	}
	if w := net.result.Watch; len(w) > 0 {
		st.Watch = &wire.Watch{Sockets: len(w), Dir: s.engine.Roots.Networks()}
	}
	var fds []int
	for _, f := range slices.Concat(net.result.Watch, net.result.Reserved, net.result.Resolver) {
		fds = append(fds, int(f.Fd()))
	}
	if err := wire.SendAll(monitorFD, wire.KindStage, st, fds); err != nil {
		return fmt.Errorf("cannot reach the monitor: %w", err)
	}
	kind, _, stray, err := wire.ReceiveFDs(monitorFD)
	for _, fd := range stray {
		unix.Close(fd)
	}
	if err != nil || kind != wire.KindGo {
		return fmt.Errorf("cannot start: the monitor is gone")
	}
	s.announced = true
	return nil
}
