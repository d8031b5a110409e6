package libpod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/sandbox"
	"skiff/runtime/teardown"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
	"skiff/state/process"
)

// status is the container's status, repaired first if its monitor was lost.
func (e *Engine) status(ctx context.Context, id string) (state.Status, error) {
	live, err := e.Store.Status(id)
	if err != nil || !live.Lost {
		return live.Status, err
	}
	return live.Status, e.repair(ctx, id)
}

// Repair ends what processes that died left half done: it removes half-made
// containers and takes down containers whose monitor is gone. It does not wait
// for locks, so it is called by commands that look at all containers.
func (e *Engine) Repair(ctx context.Context) error {
	errs := []error{e.Store.Sweep(), e.repairSteps(ctx)}
	survey, err := e.Store.Survey()
	if err != nil {
		return err
	}
	defer survey.Close()
	reader := survey.Reader()
	for _, id := range survey.IDs {
		if reader.Quiet(id) {
			continue
		}
		live, err := e.Store.Status(id)
		if err == nil && (live.Lost || !live.Phase.Active() && e.halfStarted(id)) {
			errs = append(errs, e.tryRepair(ctx, id))
		}
	}
	return errors.Join(errs...)
}

// tryRepair repairs a lost container unless somebody works on it.
func (e *Engine) tryRepair(ctx context.Context, id string) error {
	l, err := lock.Try(e.Roots.Container(id).Lock())
	if errors.Is(err, lock.ErrBusy) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Release()
	return e.repairLocked(ctx, id)
}

// endOf is when a lost container ended at the latest: now, when the last of it
// was taken down, or when the machine came up again. Nobody was there to see.
func (e *Engine) endOf(st state.Status) time.Time {
	end := time.Now()
	var up unix.Timespec
	if st.BootID != e.Store.BootID && unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) == nil {
		end = end.Add(-time.Duration(up.Nano()))
	}
	if end.Before(st.StartedAt) { // the clock was set
		end = st.StartedAt
	}
	return end.UTC()
}

func (e *Engine) repair(ctx context.Context, id string) error {
	l, err := e.Store.Lock(id)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Release()
	return e.repairLocked(ctx, id)
}

// repairLocked records the end of a lost container and undoes its start, or
// what there is of one whose processes were all killed before it was recorded.
// The caller holds the container's lock.
func (e *Engine) repairLocked(ctx context.Context, id string) error {
	live, err := e.Store.Status(id)
	if err != nil {
		return err
	}
	if !live.Lost && !e.halfStarted(id) {
		return nil
	}
	cfg, err := e.Store.Load(id)
	if err != nil {
		return err
	}
	if !live.Lost {
		return errors.Join(e.takeDown(ctx, cfg, state.Status{Teardown: state.Teardown{Engine: true}}), os.RemoveAll(e.Roots.Container(id).Run))
	}
	c := e.Roots.Container(id)
	var errs []error
	if live.BootID == e.Store.BootID {
		errs = append(errs, e.takeDown(ctx, cfg, live.Status))
	}
	st := live.Status
	st.Teardown, st.Network = state.Teardown{}, state.NetworkStatus{}
	st.Pid, st.PidStart, st.Monitor = 0, 0, 0
	st.FinishedAt = e.endOf(st)
	st.Interrupted = st.BootID != e.Store.BootID
	e.noteDied(cfg, st)
	if cfg.AutoRemove {
		errs = append(errs, e.removeRecord(ctx, cfg, true))
		return errors.Join(errs...)
	}
	e.keepHealth(cfg)
	errs = append(errs, jsonfile.Write(c.Exit(), st, jsonfile.Volatile), os.RemoveAll(c.Run))
	return errors.Join(errs...)
}

// halfStarted reports that a container has files of a run, but nobody has the
// claim on it. Certain only under the container's lock: a start makes the
// directory first.
func (e *Engine) halfStarted(id string) bool {
	c := e.Roots.Container(id)
	return jsonfile.Exists(c.Run) && !lock.Held(c.Alive())
}

// takeDown undoes a start from what was recorded of it.
func (e *Engine) takeDown(ctx context.Context, cfg *state.Config, st state.Status) error {
	if e.Rootless() {
		return e.inUserNamespace(ctx, InternalTeardown, cfg.ID)
	}
	return e.TakeDown(cfg.ID, st)
}

// lastWait bounds the wait for a killed container's processes.
const lastWait = 10 * time.Second

// endFirst kills the container's first process, and with it those of its pid
// namespace, and waits for that: a container without cgroups, as ordinary users
// have them, is found by nothing else.
func endFirst(st state.Status) error {
	fd, err := process.Open(st.Pid, st.PidStart)
	if errors.Is(err, process.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return nil // it has just ended
	}
	teardown.Thaw(st.Teardown.Cgroups)
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(lastWait); time.Now().Before(deadline); {
		if n, _ := unix.Poll(p, int(time.Until(deadline).Milliseconds())+1); n > 0 {
			return nil
		}
	}
	return fmt.Errorf("cannot end process %d of the container", st.Pid)
}

// TakeDown undoes a start in this process, which is root in the user namespace
// that the container lived in.
func (e *Engine) TakeDown(id string, st state.Status) error {
	// The recorded batches are for the monitor, which held the host ports: somebody
	// else may have them by now. The network goes first, while the container's
	// lease still says which address was its own.
	errs := []error{endFirst(st)}
	if len(st.Teardown.Cgroups) == 0 {
		st.Teardown.Cgroups = e.cgroups(id)
	}
	if len(st.Network.Endpoints) > 0 || st.Teardown.Engine {
		errs = append(errs, e.Networks().Teardown(id, st.Network))
	}
	st.Teardown.Netlink = nil
	_, err := teardown.Run(st.Teardown)
	errs = append(errs, err)
	errs = append(errs, os.RemoveAll(e.Roots.Sandboxes()+"/"+id))
	return errors.Join(append(errs, e.RunPoststop(id, st.Teardown.Hooks))...)
}

// cgroups finds the cgroups that were made for a container by a start that did
// not come to record them. Those that systemd makes it also removes.
func (e *Engine) cgroups(id string) []string {
	const root = "/sys/fs/cgroup"
	parent := CgroupPrefix(e.Roots)
	cfg, err := e.Store.Load(id)
	if err == nil && cfg.Extra().Cgroups == state.CgroupsSplit {
		return payloads(root, id) // below whatever cgroup its starter was in
	}
	if err == nil && cfg.CgroupParent != "" {
		parent = cfg.CgroupParent
	}
	dirs, _ := filepath.Glob(filepath.Join(root, "*", parent, id))
	if dir := filepath.Join(root, parent, id); jsonfile.Exists(dir) {
		dirs = append(dirs, dir)
	}
	return dirs
}

// payloads finds the cgroups of a container that divided its starter's.
func payloads(root, id string) (dirs []string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return nil // others come and go meanwhile
		case d.Name() == sandbox.PayloadPrefix+id:
			dirs = append(dirs, path)
			return fs.SkipDir
		}
		return nil
	})
	return dirs
}
