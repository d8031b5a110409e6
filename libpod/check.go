package libpod

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
	"skiff/runtime/teardown"
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
	var found []Finding
	var errs []error
	for _, look := range []func(CheckOptions) ([]Finding, error){
		e.checkContainers, e.checkNames, e.checkRuns, e.checkVolumes, e.checkImages, e.checkCgroups, e.checkMounts, e.checkLinks,
	} {
		list, err := look(opt)
		found, errs = append(found, list...), append(errs, err)
	}
	if opt.Repair || opt.Lossy {
		for i := range found {
			f := &found[i]
			if f.repair == nil || f.lossy && !opt.Lossy {
				continue
			}
			f.Failed = f.repair(ctx)
			f.Repaired = f.Failed == nil
		}
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
			if !state.IsID(id) || e.inUse(id) {
				continue
			}
			if dir == e.Roots.Runs() && jsonfile.Exists(e.Roots.Container(id).Config()) {
				continue // checkContainer's
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

// missingLayer is a layer's directory that an image has in its record only.
func missingLayer(img *state.Image) string {
	for _, dir := range img.Layers {
		if !isDir(dir) {
			return dir
		}
	}
	return ""
}

// checkImages compares the image records with the store.
func (e *Engine) checkImages(opt CheckOptions) ([]Finding, error) {
	images, err := e.Images.List()
	if err != nil {
		return nil, err
	}
	sync := func(ctx context.Context) error {
		res, err := e.ImageCall(ctx, imagecall.Request{Op: imagecall.OpSync, All: true}, Streams{})
		return errors.Join(append(ToolErrors(res), err)...)
	}
	var found []Finding
	used := map[string]bool{}
	for _, img := range images {
		for _, dir := range img.Layers {
			used[layerName(dir)] = true
		}
		thing := "image " + short(img.ID)
		if dir := missingLayer(img); dir != "" {
			found = append(found, Finding{Thing: thing, What: "without its layer " + dir, lossy: true, repair: func(ctx context.Context) error {
				res, err := e.ImageRemove(ctx, []string{img.ID}, ImageRemoveOptions{Force: true}, Streams{})
				return errors.Join(append(ToolErrors(res), err)...)
			}})
		}
	}
	names, err := os.ReadDir(e.Roots.ImageNames())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return found, err
	}
	for _, entry := range names {
		id, err := os.ReadFile(filepath.Join(e.Roots.ImageNames(), entry.Name()))
		if err == nil && state.IsID(string(id)) && !jsonfile.Exists(e.Roots.Image(string(id))) {
			found = append(found, Finding{Thing: "image name " + entry.Name(), What: "that of no image", repair: sync})
		}
	}
	if opt.Quick || lock.Held(e.Roots.ImageLayersLock()) {
		return found, nil // somebody pulls: there are layers before there is an image
	}
	layers, err := os.ReadDir(filepath.Join(e.Roots.Storage(), "overlay"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return found, err
	}
	for _, entry := range layers {
		if name := entry.Name(); state.IsID(name) && !used[name] {
			found = append(found, Finding{Thing: "layer " + short(name), What: "one that no image has", repair: sync})
		}
	}
	return found, nil
}

// layerName is the layer that a directory such as overlay/ID/diff belongs to.
func layerName(dir string) string {
	if filepath.Base(dir) == "diff" {
		dir = filepath.Dir(dir)
	}
	return filepath.Base(dir)
}

// checkCgroups looks for cgroups of containers that do not run.
func (e *Engine) checkCgroups(CheckOptions) ([]Finding, error) {
	if e.Rootless() {
		return nil, nil
	}
	parent := CgroupPrefix(e.Roots)
	dirs, err := filepath.Glob("/sys/fs/cgroup/*/" + parent + "/*")
	if err != nil {
		return nil, err
	}
	unified, _ := filepath.Glob("/sys/fs/cgroup/" + parent + "/*")
	left := map[string][]string{}
	for _, dir := range append(dirs, unified...) {
		if id := filepath.Base(dir); state.IsID(id) && isDir(dir) && !e.inUse(id) {
			left[id] = append(left[id], dir)
		}
	}
	var found []Finding
	for id, dirs := range left {
		found = append(found, Finding{Thing: "cgroup " + filepath.Join(parent, short(id)), What: "one of a container that does not run", repair: func(context.Context) error {
			if e.inUse(id) {
				return nil
			}
			_, err := teardown.Run(state.Teardown{Cgroups: dirs})
			return err
		}})
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Thing, b.Thing) })
	return found, nil
}

// checkMounts looks for mounts on the host in directories of containers that are
// not there, where none can be of any use.
func (e *Engine) checkMounts(CheckOptions) ([]Finding, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cannot read the mounts: %w", err)
	}
	var found []Finding
	for _, dir := range mountsBelow(string(data), e.Roots.Containers(), e.Roots.Runs()) {
		id, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(dir, e.Roots.Containers()), e.Roots.Runs())[1:], "/")
		if !state.IsID(id) || e.inUse(id) || jsonfile.Exists(e.Roots.Container(id).Config()) {
			continue
		}
		found = append(found, Finding{Thing: "mount " + dir, What: "one of a container that is not there", repair: func(context.Context) error {
			return unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}})
	}
	return found, nil
}

// mountsBelow are the mount points below one of some directories, the last one
// mounted first, from mountinfo's text: see proc_pid_mountinfo(5), field 5.
func mountsBelow(text string, dirs ...string) (points []string) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape.Replace(fields[4])
		for _, dir := range dirs {
			if strings.HasPrefix(point, dir+"/") {
				points = append(points, point)
			}
		}
	}
	slices.Reverse(points)
	return points
}

// checkLinks looks for ports of skiff's bridges that no running container has.
func (e *Engine) checkLinks(CheckOptions) ([]Finding, error) {
	if e.Rootless() {
		return nil, nil
	}
	records, err := e.Networks().Networks()
	if err != nil {
		return nil, err
	}
	ids, err := e.Store.IDs()
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	for _, id := range ids {
		st, err := e.Store.Status(id)
		if err != nil {
			continue
		}
		if !st.Phase.Active() && e.inUse(id) {
			return nil, nil // it starts: its links are there before its status is
		}
		for _, ep := range st.Network.Endpoints {
			mine[ep.HostLink] = true
		}
	}
	var found []Finding
	for _, r := range records {
		ports, _ := os.ReadDir("/sys/class/net/" + r.Bridge + "/brif")
		for _, p := range ports {
			if mine[p.Name()] {
				continue
			}
			found = append(found, Finding{Thing: "link " + p.Name(), What: "part of network " + r.Name + ", but no container's", repair: func(context.Context) error {
				return e.Networks().DeleteLink(p.Name())
			}})
		}
	}
	return found, nil
}
