// Package volume keeps named volumes: directories that outlive containers. A
// volume is a directory of its own with a record and the content in it, so its
// name is taken by making the directory.
//
// Not here: which containers use a volume (libpod knows the records), and
// mounting volumes into containers (runtime/spec).
package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"skiff/rootfs/safepath"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// Volumes are the volumes below one pair of roots.
type Volumes struct{ Roots dirs.Roots }

// Options are what a new volume is made with.
type Options struct {
	Labels map[string]string
	// Options are the local driver's: type, device, o. Docker: --opt.
	Options map[string]string
	// Anonymous marks a volume with a generated name.
	Anonymous bool
}

// young is how long a directory without a record may be under construction by
// a process that has not come to take its lock.
const young = 10 * time.Second

// localDriver keeps volumes below the data root. Docker: the driver local.
const localDriver = "local"

// Local says whether the volume is skiff's own and no plugin's.
func Local(vol *state.Volume) bool { return vol.Driver == "" || vol.Driver == localDriver }

// maxName is the longest name of a file.
const maxName = 255

// CheckName reports why name cannot be a volume's.
func CheckName(name string) error {
	ok := name != "" && len(name) <= maxName
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		ok = ok && (letter || i > 0 && strings.ContainsRune("_.-", r))
	}
	if !ok {
		return invalid("%q is not a volume name ([a-zA-Z0-9][a-zA-Z0-9_.-]*)", name)
	}
	return nil
}

// Create makes a volume; state.ErrExists if the name is taken.
func (v Volumes) Create(name string, opt Options) (err error) {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := checkOptions(opt.Options); err != nil {
		var words *bindError
		if errors.As(err, &words) {
			return err
		}
		return fmt.Errorf("cannot create volume %q: %w", name, err)
	}
	// Programs with the setuid bit and devices in a volume are for containers: no
	// other user of the machine gets to them.
	if err := os.MkdirAll(v.Roots.Volumes(), 0o700); err != nil {
		return fmt.Errorf("cannot create volume %q: %w", name, err)
	}
	// A directory that is there may be half made by a process that was killed:
	// whoever has the lock and finds no record goes on with it.
	l, err := v.reserve(name)
	if err != nil {
		return fmt.Errorf("cannot create volume %q: %w", name, err)
	}
	defer l.Release()
	if jsonfile.Exists(v.Roots.VolumeRecord(name)) {
		return &kindError{fmt.Sprintf("volume %q already exists", name), state.ErrExists}
	}
	return v.complete(name, opt)
}

// reserve makes the volume's directory where it is missing and takes its lock.
func (v Volumes) reserve(name string) (*lock.Lock, error) {
	for {
		err := os.Mkdir(v.Roots.Volume(name), 0o711)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		l, err := lock.Take(v.Roots.VolumeLock(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed by its owner while we waited
		}
		return l, err
	}
}

func (v Volumes) complete(name string, opt Options) (err error) {
	defer func() {
		if err != nil {
			os.RemoveAll(v.Roots.Volume(name)) // holds only what we made
			err = fmt.Errorf("cannot create volume %q: %w", name, err)
		}
	}()
	if err := os.Mkdir(v.Roots.VolumeData(name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(v.Roots.VolumeData(name), 0o755); err != nil { // whatever the umask
		return err
	}
	vol := &state.Volume{
		Name: name, Driver: localDriver, Created: time.Now().UTC(), Anonymous: opt.Anonymous,
		Labels: maps.Clone(opt.Labels), Options: maps.Clone(opt.Options), Filled: noted(opt.Options, "nocopy"),
	}
	if err := v.give(vol); err != nil {
		return err
	}
	return v.write(vol)
}

// give gives the directory to the owner that the options name.
func (v Volumes) give(vol *state.Volume) error {
	uid, gid := setting(vol.Options, "uid"), setting(vol.Options, "gid")
	if uid == "" && gid == "" {
		return nil
	}
	number := func(text string) int { // checkOptions has looked
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return -1
		}
		return int(n)
	}
	return os.Lchown(v.Roots.VolumeData(vol.Name), number(uid), number(gid))
}

func (v Volumes) write(vol *state.Volume) error {
	vol.Version = state.VolumeVersion
	d := jsonfile.Durable
	if vol.Anonymous {
		d = jsonfile.Volatile // it goes with its container
	}
	return jsonfile.Write(v.Roots.VolumeRecord(vol.Name), vol, d)
}

// Load reads a volume's record; state.ErrNotFound if there is none.
func (v Volumes) Load(name string) (*state.Volume, error) {
	if CheckName(name) != nil {
		return nil, notFound(name)
	}
	var vol state.Volume
	if err := jsonfile.Read(v.Roots.VolumeRecord(name), &vol); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, notFound(name)
		}
		return nil, err
	}
	if vol.Version > state.VolumeVersion {
		return nil, &kindError{fmt.Sprintf("volume %q was made by a newer skiff", name), state.ErrVersion}
	}
	if vol.Name != name {
		return nil, invalid("volume %q: volume.json holds the name %q", name, vol.Name)
	}
	return &vol, nil
}

// List reads all volumes, sorted by name. One that cannot be read does not hide
// the others: it is in the error.
func (v Volumes) List() ([]*state.Volume, error) {
	names, err := v.names()
	if err != nil {
		return nil, err
	}
	var vols []*state.Volume
	var errs []error
	for _, name := range names {
		vol, err := v.Load(name)
		if errors.Is(err, state.ErrNotFound) {
			continue // half made or half removed
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		vols = append(vols, vol)
	}
	sort.Slice(vols, func(i, j int) bool { return vols[i].Name < vols[j].Name })
	return vols, errors.Join(errs...)
}

func (v Volumes) names() ([]string, error) {
	entries, err := os.ReadDir(v.Roots.Volumes())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list volumes: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.IsDir() && CheckName(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Use gives the directory with the volume's content, making the volume where it
// does not exist.
func (v Volumes) Use(name string) (string, error) {
	_, err := v.Load(name)
	if errors.Is(err, state.ErrNotFound) {
		err = v.Create(name, Options{})
		if errors.Is(err, state.ErrExists) { // by somebody else meanwhile
			err = nil
		}
	}
	if err != nil {
		return "", err
	}
	return v.Roots.VolumeData(name), nil
}

// Remove removes a volume with its content; state.ErrNotFound if there is none.
// users, called while the volume is locked, gives the containers that mount it: state.ErrInUse if there are any.
func (v Volumes) Remove(name string, users func() ([]string, error)) error {
	if _, err := v.Load(name); errors.Is(err, state.ErrNotFound) {
		return err
	}
	l, err := lock.Take(v.Roots.VolumeLock(name))
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(name)
	}
	if err != nil {
		return err
	}
	defer l.Release()
	if users != nil {
		used, err := users()
		if err != nil {
			return fmt.Errorf("cannot remove volume %q: %w", name, err)
		}
		if len(used) > 0 {
			return &kindError{fmt.Sprintf("volume %s is being used by the following container(s): %s: volume is being used", name, strings.Join(used, ", ")), state.ErrInUse}
		}
	}
	return v.remove(name)
}

// remove takes the whole volume out of sight in one step before its content is
// removed. Where that takes other rights than the caller has, it is put back.
func (v Volumes) remove(name string) error {
	dir, trash := v.Roots.Volume(name), v.Roots.VolumeTrash(name)
	err := safepath.RemoveAll(trash) // of a removal that was killed
	if err == nil {
		err = os.Rename(dir, trash)
	}
	if err == nil {
		// The record is the last to go: what is put back is still a volume.
		if err = safepath.RemoveAll(filepath.Join(trash, filepath.Base(v.Roots.VolumeData(name)))); err != nil {
			err = errors.Join(err, os.Rename(trash, dir))
		} else {
			err = safepath.RemoveAll(trash)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot remove volume %q: %w", name, err)
	}
	return nil
}

// Discard removes a volume whoever uses it; a missing one is no error.
func (v Volumes) Discard(name string) error {
	if err := v.Remove(name, nil); !errors.Is(err, state.ErrNotFound) {
		return err
	}
	return nil
}

// Sweep removes what makers and removers that were killed left half done.
func (v Volumes) Sweep() error {
	names, err := v.names()
	if err != nil {
		return err
	}
	var errs []error
	trash, _ := filepath.Glob(v.Roots.VolumeTrash("*"))
	for _, path := range trash {
		l, err := lock.Try(filepath.Join(path, "lock"))
		if err != nil {
			continue // its remover is at work
		}
		errs = append(errs, safepath.RemoveAll(path))
		l.Release()
	}
	for _, name := range names {
		if jsonfile.Exists(v.Roots.VolumeRecord(name)) {
			errs = append(errs, v.sweepRestore(name))
			continue
		}
		st, err := os.Lstat(v.Roots.Volume(name))
		if err != nil || time.Since(st.ModTime()) < young {
			continue
		}
		l, err := lock.Try(v.Roots.VolumeLock(name))
		if err != nil {
			continue // its maker is at work
		}
		if !jsonfile.Exists(v.Roots.VolumeRecord(name)) {
			errs = append(errs, v.remove(name))
		}
		l.Release()
	}
	return errors.Join(errs...)
}
