package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
	"skiff/rootfs/transfer"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// aboutKey is a backup's record with the volume's own record as JSON.
const aboutKey = "SKIFF.volume"

// Backup writes a volume's files and record to out. still, where it is set, is
// called when all has been written once, and has whoever writes to the volume stand
// still until the function that it gives is called; then what was changed meanwhile
// is written again. Without it nobody is to write to the volume.
//
// Preconditions:
//   - the volume's content is mounted where this process sees it (Attach)
func (v Volumes) Backup(name string, out io.Writer, still func() (goOn func() error, err error), warn func(string)) error {
	l, err := lock.Share(v.Roots.VolumeLock(name))
	if err != nil {
		return err
	}
	defer l.Release()
	vol, err := v.Load(name)
	if err != nil {
		return err
	}
	about, err := json.Marshal(vol)
	if err != nil {
		return err
	}
	top, err := os.OpenFile(v.Roots.VolumeData(name), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer top.Close()
	sealed := newSealer(out)
	passes, err := transfer.NewPasses(sealed, top, map[string]string{aboutKey: string(about)}, warn)
	if err != nil {
		return err
	}
	if still == nil {
		err = passes.All()
	} else {
		err = twice(passes, still)
	}
	if err != nil {
		return err
	}
	if err := passes.Close(); err != nil {
		return err
	}
	return sealed.seal()
}

func twice(passes *transfer.Passes, still func() (func() error, error)) error {
	if err := passes.First(); err != nil {
		return err
	}
	goOn, err := still()
	if err != nil {
		return err
	}
	return errors.Join(passes.Second(), goOn())
}

// RestoreOptions say how a volume is restored.
type RestoreOptions struct {
	// Force replaces the files of a volume that is there.
	Force bool
	// Busy gives the names of the containers that use the volume now.
	Busy func() ([]string, error)
	// Warn is told what cannot be restored.
	Warn func(string)
}

// Restore makes a volume of a backup, or replaces all files of one that is there.
// Nothing of the volume is touched before the backup was read to its end and its
// checksum is right; then the files change places in one step.
func (v Volumes) Restore(name string, in io.Reader, o RestoreOptions) (err error) {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := os.MkdirAll(v.Roots.Volumes(), 0o700); err != nil {
		return err
	}
	l, err := v.reserve(name)
	if err != nil {
		return err
	}
	defer l.Release()
	there := jsonfile.Exists(v.Roots.VolumeRecord(name))
	ready := v.Roots.VolumeRestore(name)
	defer func() {
		if err == nil {
			return
		}
		if !there {
			err = errors.Join(err, safepath.RemoveAll(v.Roots.Volume(name)))
			return
		}
		err = errors.Join(err, safepath.RemoveAll(ready))
	}()
	if there {
		if err := v.replaceable(name, o); err != nil {
			return err
		}
	}
	if err := safepath.RemoveAll(ready); err != nil { // of a process that was killed
		return err
	}
	about, err := unpackBackup(ready, in, o.Warn)
	if err != nil {
		return err
	}
	if there {
		return v.exchange(name, o)
	}
	return v.adopt(name, about, o.Warn)
}

// replaceable refuses to replace what must not be.
func (v Volumes) replaceable(name string, o RestoreOptions) error {
	vol, err := v.Load(name)
	if err != nil {
		return err
	}
	if !o.Force {
		return &kindError{fmt.Sprintf("volume %q already exists, use --force to replace its files", name), state.ErrExists}
	}
	if _, mounted := Mounted(vol); mounted || !Local(vol) {
		return invalid("the files of volume %q are not skiff's to replace, only to add to (volume import)", name)
	}
	return o.idle(name)
}

func (o RestoreOptions) idle(name string) error {
	busy, err := o.Busy()
	if err == nil && len(busy) > 0 {
		err = &kindError{fmt.Sprintf("volume %q is used by container %s, which has to be stopped first", name, strings.Join(busy, ", ")), state.ErrInUse}
	}
	return err
}

// unpackBackup makes the directory dir of a backup and gives the record of the volume
// that it is of. What it makes is synced.
func unpackBackup(dir string, in io.Reader, warn func(string)) (*state.Volume, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask
		return nil, err
	}
	root, err := safepath.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var about *state.Volume
	sealed := newOpener(in)
	err = transfer.Unpack(sealed, root, "/", transfer.UnpackOptions{
		Root: true, Whole: true, Warn: warn,
		Global: func(records map[string]string) error {
			if text, ok := records[aboutKey]; ok && about == nil {
				about = &state.Volume{}
				return json.Unmarshal([]byte(text), about)
			}
			return nil
		},
	})
	// The checksum says why an archive cannot be read.
	if err != nil {
		if _, rest := io.Copy(io.Discard, sealed); rest != nil {
			return nil, err
		}
	}
	if verr := sealed.verify(); verr != nil {
		return nil, verr
	}
	if err != nil {
		return nil, err
	}
	if about == nil {
		return nil, ErrNoBackup
	}
	if about.Version > state.VolumeVersion {
		return nil, &kindError{"the backup was made by a newer skiff", state.ErrVersion}
	}
	return about, syncFS(dir)
}

// exchange puts the restored files in the place of the volume's.
func (v Volumes) exchange(name string, o RestoreOptions) error {
	vol, err := v.Load(name)
	if err != nil {
		return err
	}
	if err := o.idle(name); err != nil { // a large backup takes a while
		return err
	}
	ready, data := v.Roots.VolumeRestore(name), v.Roots.VolumeData(name)
	if err := unix.Renameat2(unix.AT_FDCWD, ready, unix.AT_FDCWD, data, unix.RENAME_EXCHANGE); err != nil {
		return &os.LinkError{Op: "exchange", Old: ready, New: data, Err: err}
	}
	if err := syncFS(data); err != nil {
		return err
	}
	if !vol.Filled {
		if err := v.filled(vol, nil); err != nil {
			return err
		}
	}
	return safepath.RemoveAll(ready) // the files from before
}

// adopt makes the restored files a new volume's.
func (v Volumes) adopt(name string, about *state.Volume, warn func(string)) error {
	if _, mounted := Mounted(about); (mounted || !Local(about)) && warn != nil {
		warn(fmt.Sprintf("volume %q is made as a directory: what its driver was told is left to volume create", name))
	}
	if err := safepath.RemoveAll(v.Roots.VolumeData(name)); err != nil {
		return err
	}
	if err := os.Rename(v.Roots.VolumeRestore(name), v.Roots.VolumeData(name)); err != nil {
		return err
	}
	return v.write(&state.Volume{
		Name: name, Driver: localDriver, Created: about.Created, Labels: about.Labels, Filled: true,
	})
}

// sweepRestore removes what a killed restore left of a volume that is there.
func (v Volumes) sweepRestore(name string) error {
	if _, err := os.Lstat(v.Roots.VolumeRestore(name)); err != nil {
		return nil
	}
	l, err := lock.Try(v.Roots.VolumeLock(name))
	if err != nil {
		return nil // somebody restores
	}
	defer l.Release()
	return safepath.RemoveAll(filepath.Clean(v.Roots.VolumeRestore(name)))
}
