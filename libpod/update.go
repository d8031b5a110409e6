package libpod

import (
	"context"
	"fmt"
	"reflect"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/libpod/resolve"
	"skiff/runtime/hostfacts"
	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/cleanup"
	"skiff/state/event"
)

// UpdateRequest is what update changes of a container.
type UpdateRequest struct {
	// Change changes the config as the user asks: limits, health check, restart
	// policy, environment, ulimits. What it does to the rest counts from the next start on.
	Change func(*state.Config) error
	// Publish are ports to publish, Unpublish those to take back, also while the
	// container runs.
	Publish   []state.Port
	Unpublish []state.PortMatch
}

// Update changes a container, at once where it runs, and for its next start.
// Where a part of it cannot be done nothing is changed.
func (e *Engine) Update(ctx context.Context, ref string, req UpdateRequest) (err error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return err
	}
	if _, err := e.status(ctx, id); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			e.noteID(id, event.Update)
		}
	}()
	l, err := e.Store.Lock(id)
	if err != nil {
		return err
	}
	defer l.Release()
	u := update{e: e, host: hostfacts.New()}
	if err := u.read(id, req); err != nil {
		return fmt.Errorf("cannot update container %s: %w", ref, err)
	}
	if err := u.apply(req); err != nil {
		return fmt.Errorf("cannot update container %s: %w", ref, err)
	}
	return nil
}

// update is one update under way, with the container's lock held.
type update struct {
	e    *Engine
	host *hostfacts.Host
	old  *state.Config
	next state.Config
	live state.Live
	// removed are the published ports to take back, as they are now.
	removed []state.Port
}

func (u *update) running() bool { return u.live.Phase.Present() }

// read works out what the container becomes, and checks it.
func (u *update) read(id string, req UpdateRequest) (err error) {
	if u.live, err = u.e.Store.Status(id); err != nil {
		return err
	}
	if u.old, err = u.e.Store.Load(id); err != nil {
		return err
	}
	// A second reading rather than a copy: the two share no list.
	next, err := u.e.Store.Load(id)
	if err != nil {
		return err
	}
	u.next = *next
	if req.Change != nil {
		if err := req.Change(&u.next); err != nil {
			return err
		}
	}
	u.imageShell()
	if err := resolve.Updated(u.old, &u.next, u.host); err != nil {
		return err
	}
	return u.changePorts(req)
}

// apply changes the running container, the record and the monitor. The record
// comes after what can be refused.
func (u *update) apply(req UpdateRequest) (err error) {
	var ports *liveNetwork
	defer func() {
		if ports != nil {
			ports.change.Close() // after what undoes it
		}
	}()
	var undo cleanup.Stack
	defer undo.UnlessDone(&err)
	id := u.old.ID
	if !reflect.DeepEqual(u.old.Resources, u.next.Resources) {
		if err := u.limits(&undo); err != nil {
			return err
		}
	}
	save := func(cfg *state.Config) error {
		return u.e.Store.UpdateLocked(id, func(c *state.Config) error { *c = *cfg; return nil })
	}
	done := func() error { return nil }
	if u.running() && len(req.Publish)+len(req.Unpublish) > 0 {
		if ports, err = u.republish(req.Publish); err != nil {
			return err
		}
		undo.Push(ports.revert)
		done = ports.commit
	}
	if err := save(&u.next); err != nil {
		return err
	}
	undo.Push(func() error { return save(u.old) })
	if err := u.restartPolicy(&undo); err != nil {
		return err
	}
	if err := u.healthCheck(&undo); err != nil {
		return err
	}
	return done()
}

// healthCheck gives the monitor the new health check.
func (u *update) healthCheck(undo *cleanup.Stack) error {
	if reflect.DeepEqual(u.old.Healthcheck, u.next.Healthcheck) {
		return nil
	}
	tell := func(cfg *state.Config) error {
		h := healthOrder(cfg)
		if h == nil {
			h = &wire.Health{} // ends checking
		}
		return u.e.tellMonitor(cfg.ID, func(m monitor) error { return m.UpdateHealth(*h) })
	}
	if err := tell(&u.next); err != nil {
		return err
	}
	undo.Push(func() error { return tell(u.old) })
	return nil
}

// imageShell is the shell for the lines of a health check where none came from
// the image yet. Dockerfile: SHELL.
func (u *update) imageShell() {
	h := u.next.Healthcheck
	if h == nil || u.old.Healthcheck != nil {
		return
	}
	if img, _, err := u.e.Images.Lookup(u.old.Image.ID); err == nil {
		h.Shell = img.Config.Shell
	}
}

// restartPolicy tells the monitor the new policy, and records for the next boot
// that a container which now has one is meant to run.
func (u *update) restartPolicy(undo *cleanup.Stack) error {
	if u.old.Restart == u.next.Restart {
		return nil
	}
	tell := func(p state.RestartPolicy) error {
		return u.e.tellMonitor(u.old.ID, func(m monitor) error { return m.Update(&p, "") })
	}
	if err := tell(u.next.Restart); err != nil {
		return err
	}
	undo.Push(func() error { return tell(u.old.Restart) })
	if u.live.Phase.Active() {
		return u.e.desire(&u.next, state.DesiredRunning)
	}
	return nil
}

// limits checks the new limits against the machine and gives them to the
// container's cgroups if it runs.
func (u *update) limits(undo *cleanup.Stack) error {
	if u.old.Extra().Cgroups == state.CgroupsDisabled {
		return fmt.Errorf("cannot limit container %s: it has no cgroup (--cgroups disabled)", u.old.Name)
	}
	facts, running := u.host.Facts(), u.running()
	if u.e.Rootless() {
		facts.Cgroup = facts.Cgroup.By(u.old.CgroupManager)
		if !running || u.old.CgroupParent == "" {
			if err := spec.CheckRootless(u.next.Resources, facts.Cgroup); err != nil {
				return err
			}
		}
	}
	want, err := u.limitsOf(u.next.Resources, facts, u.e.warn)
	if err != nil || !running {
		return err
	}
	box, err := sandbox.Load(u.e.Roots.Sandboxes(), u.old.ID)
	if err != nil {
		return err
	}
	cpus, mems := box.Cpusets()
	before := spec.Restored(u.old.Resources, u.next.Resources, facts.Cgroup, spec.Cpusets{Cpus: cpus, Mems: mems})
	back, err := u.limitsOf(before, facts, nil)
	if err != nil {
		return err
	}
	undo.Push(func() error { return box.Update(back) })
	return box.Update(want)
}

func (u *update) limitsOf(r state.Resources, facts hostfacts.Facts, warn func(string)) (*specs.LinuxResources, error) {
	blocks := map[string]hostfacts.Device{}
	for _, path := range spec.BlockPaths(r) {
		d, err := hostfacts.DeviceAt(path)
		if err != nil {
			return nil, err
		}
		if d.Type != "b" {
			return nil, fmt.Errorf("cannot limit the block I/O of %s: not a block device", path)
		}
		blocks[path] = d
	}
	return spec.Limits(r, facts, blocks, warn)
}
