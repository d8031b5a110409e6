package libpod

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// CheckOptions say how thoroughly to look, and what to do about what is found.
type CheckOptions struct {
	// Quick leaves out what reads more than records and directories.
	Quick bool
	// Repair mends what can be mended without losing anything; Lossy removes what
	// cannot be mended, too.
	Repair, Lossy bool
}

// Finding is one damage.
type Finding struct {
	// Thing is what is damaged, such as "container 0123456789ab"; What is wrong
	// with it, in the words after "is" or "has".
	Thing, What string
	// Repaired says that it is mended now; Failed why it could not be.
	Repaired bool
	Failed   error

	lossy  bool // repair loses something
	repair func(context.Context) error
}

// Check looks for damage: what a crash, a full disk or a hand has left half done
// in the records, the run directories, the cgroups, the mounts, the network
// devices and the image store.
func (e *Engine) Check(ctx context.Context, opt CheckOptions) ([]Finding, error) {
	found, err := e.damage(opt)
	if err != nil || !opt.Repair && !opt.Lossy {
		return found, err
	}
	for i := range found {
		f := &found[i]
		if f.repair == nil || f.lossy && !opt.Lossy {
			continue
		}
		f.Failed = f.repair(ctx)
		f.Repaired = f.Failed == nil
	}
	if err := e.collectCgroups(); err != nil {
		return found, err
	}
	left, err := e.damage(opt) // what is still there was not repaired
	for i := range found {
		f := &found[i]
		f.Repaired = f.Repaired && !slices.ContainsFunc(left, func(l Finding) bool { return l.Thing == f.Thing && l.What == f.What })
	}
	return found, err
}

// damage looks everywhere.
func (e *Engine) damage(opt CheckOptions) ([]Finding, error) {
	var found []Finding
	var errs []error
	for _, look := range []func(CheckOptions) ([]Finding, error){
		e.checkContainers, e.checkNames, e.checkRuns, e.checkVolumes, e.checkImages, e.checkCgroups, e.checkMounts, e.checkLinks, e.checkNetworks, e.checkCopies,
	} {
		list, err := look(opt)
		found, errs = append(found, list...), append(errs, err)
	}
	return found, errors.Join(errs...)
}

func short(id string) string { return id[:min(12, len(id))] }

// checkContainers looks at the directories of containers.
func (e *Engine) checkContainers(opt CheckOptions) ([]Finding, error) {
	ids, err := e.Store.IDs()
	if err != nil {
		return nil, err
	}
	var found []Finding
	sweep := func(context.Context) error { return e.Store.Sweep() }
	for _, id := range ids {
		thing := "container " + short(id)
		if !jsonfile.Exists(e.Roots.Container(id).Config()) {
			if !lock.Held(e.Roots.Container(id).Lock()) {
				found = append(found, Finding{Thing: thing, What: "half made or half removed", repair: sweep})
			}
			continue
		}
		cfg, err := e.Store.Load(id)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			found = append(found, Finding{Thing: thing, What: "without a readable record: " + err.Error(), lossy: true, repair: e.dropDamaged(id)})
			continue
		}
		found = append(found, e.checkContainer(cfg)...)
	}
	return found, nil
}

// checkContainer looks at what a readable record refers to.
func (e *Engine) checkContainer(cfg *state.Config) []Finding {
	var found []Finding
	thing := "container " + cfg.Name
	live, err := e.Store.Status(cfg.ID)
	switch {
	case err == nil && live.Lost:
		found = append(found, Finding{Thing: thing, What: "running in its records, but has no monitor", repair: e.repairOf(cfg.ID)})
	case err == nil && !live.Phase.Active() && e.halfStarted(cfg.ID):
		found = append(found, Finding{Thing: thing, What: "half started", repair: e.repairOf(cfg.ID)})
	}
	if id, err := e.Store.Find(cfg.Name); errors.Is(err, state.ErrNotFound) || err == nil && id != cfg.ID {
		found = append(found, Finding{Thing: thing, What: "not found by its name", repair: func(context.Context) error {
			return e.Store.ClaimName(cfg.ID)
		}})
	}
	if cfg.Image.ID != "" {
		img, err := e.Images.Load(cfg.Image.ID)
		missing := ""
		if err == nil {
			missing = missingLayer(img)
		}
		if errors.Is(err, state.ErrNotFound) || missing != "" {
			found = append(found, Finding{Thing: thing, What: "without its image " + cmp.Or(cfg.Image.Name, short(cfg.Image.ID)), lossy: true, repair: func(ctx context.Context) error {
				return e.Remove(ctx, cfg.ID, RemoveOptions{Force: true})
			}})
		}
	}
	for _, m := range cfg.Mounts {
		if m.Type != state.MountVolume {
			continue
		}
		if _, err := e.Volumes.Load(m.Source); errors.Is(err, state.ErrNotFound) {
			found = append(found, Finding{Thing: thing, What: "without its volume " + m.Source, repair: func(context.Context) error {
				_, err := e.CreateVolume(m.Source, VolumeOptions{Ignore: true})
				return err
			}})
		}
	}
	return found
}

func (e *Engine) repairOf(id string) func(context.Context) error {
	return func(ctx context.Context) error { return e.repair(ctx, id) }
}

// dropDamaged takes a container away whose record cannot be read.
func (e *Engine) dropDamaged(id string) func(context.Context) error {
	return func(context.Context) error {
		l, err := lock.Try(e.Roots.Container(id).Lock())
		if err != nil {
			return err
		}
		if lock.Held(e.Roots.Container(id).Alive()) {
			l.Release()
			return ErrRunning
		}
		err = os.Remove(e.Roots.Container(id).Config())
		l.Release()
		return errors.Join(err, e.Store.Sweep())
	}
}

// checkNames looks for names that nobody has.
func (e *Engine) checkNames(CheckOptions) ([]Finding, error) {
	entries, err := os.ReadDir(e.Roots.Names())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var found []Finding
	for _, entry := range entries {
		name := entry.Name()
		owner, err := os.ReadFile(e.Roots.Name(name))
		if err != nil {
			continue
		}
		id := string(owner)
		if state.IsID(id) && jsonfile.Exists(e.Roots.Container(id).Data) {
			cfg, err := e.Store.Load(id)
			if err != nil || cfg.Name == name || lock.Held(e.Roots.Container(id).Lock()) {
				continue
			}
			found = append(found, Finding{Thing: "name " + name, What: "taken by container " + cfg.Name + ", which has another", repair: func(context.Context) error {
				return os.Remove(e.Roots.Name(name))
			}})
			continue
		}
		if filepath.Ext(name) == ".tmp" {
			continue // somebody takes a name at the moment; Sweep knows
		}
		found = append(found, Finding{Thing: "name " + name, What: "taken by no container", repair: func(context.Context) error { return e.Store.Sweep() }})
	}
	return found, nil
}

// checkRuns looks for what is left below the run root of containers that do not
// run, or are not there.
func (e *Engine) checkRuns(CheckOptions) ([]Finding, error) {
	var found []Finding
	for _, dir := range []string{e.Roots.Runs(), e.Roots.Sandboxes()} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return found, err
		}
		for _, entry := range entries {
			id := entry.Name()
			if !state.IsID(id) || e.inUse(id) || e.toRepair(id) {
				continue
			}
			path := filepath.Join(dir, id)
			found = append(found, Finding{Thing: "directory " + path, What: "of a container that does not run", repair: func(context.Context) error {
				if e.inUse(id) {
					return nil
				}
				return os.RemoveAll(path)
			}})
		}
	}
	return found, nil
}

// inUse reports whether somebody runs the container, or works on it.
func (e *Engine) inUse(id string) bool {
	c := e.Roots.Container(id)
	return lock.Held(c.Alive()) || jsonfile.Exists(c.Lock()) && lock.Held(c.Lock())
}

// toRepair reports whether checkContainer has found what there is to find of a
// container's run.
func (e *Engine) toRepair(id string) bool {
	if !jsonfile.Exists(e.Roots.Container(id).Config()) {
		return false
	}
	live, err := e.Store.Status(id)
	return err != nil || live.Lost || live.Phase.Active() || e.halfStarted(id)
}

// checkVolumes looks for half-made volumes.
func (e *Engine) checkVolumes(CheckOptions) ([]Finding, error) {
	entries, err := os.ReadDir(e.Roots.Volumes())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var found []Finding
	for _, entry := range entries {
		name := entry.Name()
		held := filepath.Join(e.Roots.Volumes(), name, "lock")
		switch {
		case !entry.IsDir(), jsonfile.Exists(held) && lock.Held(held):
			continue
		case strings.HasPrefix(name, "."), !jsonfile.Exists(e.Roots.VolumeRecord(name)):
			found = append(found, Finding{Thing: "volume " + strings.TrimPrefix(name, ".removing-"), What: "half made or half removed", repair: func(context.Context) error {
				return e.Volumes.Sweep()
			}})
		}
	}
	return found, nil
}
