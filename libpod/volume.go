package libpod

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"time"

	"skiff/rootfs/layer"
	"skiff/rootfs/volume"
	"skiff/state"
	"skiff/state/event"
)

// VolumeOptions say how a volume is made.
type VolumeOptions struct {
	// Driver has to be local or empty.
	Driver  string
	Labels  map[string]string
	Options map[string]string // the driver's: type, device, o
	// Ignore takes a volume that is there already. Podman: --ignore.
	Ignore bool
}

// CreateVolume makes a volume and gives its name, which is generated if none is
// given.
func (e *Engine) CreateVolume(name string, opt VolumeOptions) (string, error) {
	if opt.Driver != "" && opt.Driver != "local" {
		return "", fmt.Errorf("unknown volume driver %q: only local is there", opt.Driver)
	}
	anonymous := name == ""
	if anonymous {
		var id [32]byte
		if _, err := rand.Read(id[:]); err != nil {
			return "", fmt.Errorf("cannot make a name: %w", err)
		}
		name = hex.EncodeToString(id[:])
	}
	err := e.Volumes.Create(name, volume.Options{Labels: opt.Labels, Options: opt.Options, Anonymous: anonymous})
	switch {
	case err == nil:
		e.noteVolumeCreated(name)
	case opt.Ignore && errors.Is(err, state.ErrExists):
		err = nil
	}
	return name, err
}

func (e *Engine) noteVolumeCreated(name string) {
	e.note(event.Event{Type: event.Volume, Status: event.Create, Name: name})
}

// Volume is a volume and how many containers mount it.
type Volume struct {
	*state.Volume
	Mountpoint string
	Users      int
}

// volumeUsers gives the ids of the containers that mount each volume.
func (e *Engine) volumeUsers() (map[string][]string, error) {
	ids, err := e.Store.IDs()
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, id := range ids {
		cfg, err := e.Store.Load(id)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err // it may use any of them
		}
		seen := map[string]bool{}
		for _, m := range cfg.Mounts {
			if m.Type == state.MountVolume && !seen[m.Source] {
				seen[m.Source] = true
				users[m.Source] = append(users[m.Source], id)
			}
		}
	}
	return users, nil
}

// VolumeList gives the volumes that match the filters, sorted by name. Those
// that cannot be read are in the error.
func (e *Engine) VolumeList(filters []Filter) ([]Volume, error) {
	match, err := e.volumeFilter(filters)
	if err != nil {
		return nil, err
	}
	vols, unreadable := e.Volumes.List()
	if len(vols) == 0 {
		return nil, unreadable
	}
	users, err := e.volumeUsers()
	if err != nil {
		return nil, err
	}
	var out []Volume
	for _, vol := range vols {
		v := Volume{vol, e.Roots.VolumeData(vol.Name), len(users[vol.Name])}
		if match(v) {
			out = append(out, v)
		}
	}
	return out, unreadable
}

// volumeFilter: name, label, driver, scope, dangling, opt, since, after, until.
func (e *Engine) volumeFilter(filters []Filter) (predicate[Volume], error) {
	return combine(filters, func(f Filter) (predicate[Volume], error) {
		switch f.Key {
		case "name":
			re, err := regexp.Compile(f.Value)
			if err != nil {
				return nil, badFilter(f, "want a regular expression")
			}
			return func(v Volume) bool { return re.MatchString(v.Name) }, nil
		case "label":
			return func(v Volume) bool { return matchLabel(v.Labels, f.Value) }, nil
		case "opt":
			return func(v Volume) bool { return matchLabel(v.Options, f.Value) }, nil
		case "driver":
			return func(v Volume) bool { return v.Driver == f.Value }, nil
		case "scope":
			return func(Volume) bool { return f.Value == "local" }, nil
		case "dangling":
			want, err := strconv.ParseBool(f.Value)
			if err != nil {
				return nil, badFilter(f, "want true or false")
			}
			return func(v Volume) bool { return (v.Users == 0) == want }, nil
		case "anonymous":
			want, err := strconv.ParseBool(f.Value)
			if err != nil {
				return nil, badFilter(f, "want true or false")
			}
			return func(v Volume) bool { return v.Anonymous == want }, nil
		}
		return e.volumeTimeFilter(f)
	})
}

func (e *Engine) volumeTimeFilter(f Filter) (predicate[Volume], error) {
	switch f.Key {
	case "until":
		t, err := ParseMoment(f.Value, time.Now())
		if err != nil {
			return nil, err
		}
		return func(v Volume) bool { return v.Created.Before(t) }, nil
	case "since", "after":
		other, err := e.Volumes.Load(f.Value)
		if err != nil {
			return nil, err
		}
		return func(v Volume) bool { return v.Created.After(other.Created) }, nil
	}
	return nil, unknownFilter(f)
}

// Volume loads one volume.
func (e *Engine) Volume(name string) (Volume, error) {
	vol, err := e.Volumes.Load(name)
	if err != nil {
		return Volume{}, err
	}
	users, err := e.volumeUsers()
	return Volume{vol, e.Roots.VolumeData(name), len(users[name])}, err
}

// RemoveVolume removes a volume that no container mounts: state.ErrInUse,
// state.ErrNotFound.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	return e.removeVolume(ctx, name, func() ([]string, error) {
		users, err := e.volumeUsers()
		return users[name], err
	})
}

// ForceRemoveVolume removes a volume with the containers that mount it, which have
// stopTime seconds to end; nil kills them at once. Podman: volume rm --force.
func (e *Engine) ForceRemoveVolume(ctx context.Context, name string, stopTime *int) error {
	if _, err := e.Volumes.Load(name); err != nil {
		return err
	}
	users, err := e.volumeUsers()
	if err != nil {
		return err
	}
	for _, id := range users[name] {
		err := e.Remove(ctx, id, RemoveOptions{Force: true, Time: stopTime})
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return fmt.Errorf("cannot remove volume %q: %w", name, err)
		}
	}
	return e.RemoveVolume(ctx, name)
}

// discardVolume removes a container's anonymous volume, unless another
// container mounts it too.
func (e *Engine) discardVolume(ctx context.Context, name string) error {
	err := e.RemoveVolume(ctx, name)
	if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrInUse) {
		return nil
	}
	return err
}

// removeVolume removes it here, or where an ordinary user's containers left
// files of other owners in it, as root of the user's namespace.
func (e *Engine) removeVolume(ctx context.Context, name string, users func() ([]string, error)) error {
	shown := e.Roots.VolumeMount(name)
	err := e.Volumes.Remove(name, func() ([]string, error) {
		used, err := users()
		if err == nil && len(used) == 0 && layer.Mounted(shown) {
			err = layer.Unmount(shown, true)
		}
		return used, err
	})
	if e.Rootless() && errors.Is(err, fs.ErrPermission) {
		err = e.inUserNamespace(ctx, InternalRemoveVolume, name)
	}
	if err == nil {
		e.note(event.Event{Type: event.Volume, Status: event.Remove, Name: name})
	}
	return err
}

// RemoveVolumeFiles is RemoveVolume without a way out. Internal command
// remove-volume.
func (e *Engine) RemoveVolumeFiles(name string) error {
	return e.Volumes.Remove(name, func() ([]string, error) {
		users, err := e.volumeUsers()
		return users[name], err
	})
}

// PrunableVolumes gives the names of those that PruneVolumes would remove.
func (e *Engine) PrunableVolumes(all bool, filters []Filter) ([]string, error) {
	vols, err := e.prunable(all, filters)
	var names []string
	for _, v := range vols {
		names = append(names, v.Name)
	}
	if len(names) > 0 {
		err = nil // who prunes is told
	}
	return names, err
}

// prunable are the volumes that no container mounts. Those that cannot be read are
// in the error.
func (e *Engine) prunable(all bool, filters []Filter) ([]Volume, error) {
	filters = slices.DeleteFunc(slices.Clone(filters), func(f Filter) bool { // Docker: --filter all=true
		if f.Key == "all" {
			all, _ = strconv.ParseBool(f.Value)
		}
		return f.Key == "all"
	})
	if !all {
		filters = append(filters, Filter{Key: "anonymous", Value: "true"})
	}
	vols, err := e.VolumeList(filters)
	return slices.DeleteFunc(vols, func(v Volume) bool { return v.Users > 0 }), err
}

// PruneVolumes removes the volumes that no container mounts and that match the
// filters, and gives their names. Without all it removes only anonymous ones,
// as docker does.
func (e *Engine) PruneVolumes(ctx context.Context, all bool, filters []Filter) ([]string, error) {
	vols, unreadable := e.prunable(all, filters)
	errs := []error{unreadable}
	var removed []string
	for _, v := range vols {
		err := e.RemoveVolume(ctx, v.Name)
		switch {
		case err == nil:
			removed = append(removed, v.Name)
		case errors.Is(err, state.ErrInUse), errors.Is(err, state.ErrNotFound): // since we looked
		default:
			errs = append(errs, err)
		}
	}
	if err := e.Volumes.Sweep(); err != nil && !e.Rootless() {
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}
