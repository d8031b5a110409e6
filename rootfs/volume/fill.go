package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"skiff/rootfs/copytree"
	"skiff/rootfs/safepath"
	"skiff/state"
	"skiff/state/lock"
)

// Fill copies what root has at target into the volume, with owners, modes,
// times, attributes and links, the first time that a volume without content of
// its own is used; later it does nothing. The directory itself takes the owner
// and mode of target. Docker does the same for volumes, never for host paths.
//
// The content is first copied beside the volume's directory and then moved in,
// entry by entry because other containers may have the directory mounted
// already. A process that is killed before the copy is whole leaves the volume
// empty, one that is killed later leaves the moving to the next.
func (v Volumes) Fill(root *safepath.Root, target, name string) error {
	vol, err := v.Load(name)
	if err != nil || vol.Filled {
		return err
	}
	if _, mounted := Mounted(vol); mounted {
		return nil
	}
	l, err := lock.Take(v.Roots.VolumeLock(name))
	if err != nil {
		return err
	}
	defer l.Release()
	if vol, err = v.Load(name); err != nil || vol.Filled {
		return err
	}
	if err := v.fill(root, target, vol); err != nil {
		return fmt.Errorf("cannot fill volume %q with the image's %s: %w", name, target, err)
	}
	return nil
}

func (v Volumes) fill(root *safepath.Root, target string, vol *state.Volume) error {
	data, ready := v.Roots.VolumeData(vol.Name), v.Roots.VolumeFill(vol.Name)
	if _, err := os.Lstat(ready); errors.Is(err, fs.ErrNotExist) {
		if full, err := hasEntries(data); err != nil || full {
			return v.filled(vol, err)
		}
		copied, err := v.copyBeside(root, target, vol.Name)
		if err != nil || !copied {
			return err
		}
	}
	empty, err := moveIn(ready, data)
	if err != nil {
		return err
	}
	if empty {
		return os.Remove(ready) // there was nothing; another image may have more
	}
	if !vol.Anonymous {
		if err := syncFS(data); err != nil {
			return err
		}
	}
	if err := v.filled(vol, nil); err != nil {
		return err
	}
	return os.Remove(ready)
}

func (v Volumes) filled(vol *state.Volume, err error) error {
	if err != nil {
		return err
	}
	vol.Filled = true
	return v.write(vol)
}

// syncFS makes the content as durable as the record that says that it is there.
func syncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

func hasEntries(dir string) (bool, error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	names, _ := f.Readdirnames(1)
	return len(names) > 0, nil
}

// copyBeside copies the directory target of root to the volume's fill
// directory, which appears when it is whole. false: target is no directory.
func (v Volumes) copyBeside(root *safepath.Root, target, name string) (copied bool, err error) {
	from, err := root.Open(target, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer from.Close()
	tmp := v.Roots.VolumeFill(name) + ".tmp"
	if err := safepath.RemoveAll(tmp); err != nil { // of a process that was killed
		return false, err
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, safepath.RemoveAll(tmp))
		}
	}()
	to, err := os.OpenFile(tmp, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	defer to.Close()
	if err := copytree.Copy(from, to, copytree.Options{}); err != nil {
		return false, err
	}
	return true, os.Rename(tmp, v.Roots.VolumeFill(name))
}

// moveIn moves the entries of the directory from into to and gives to the
// owner, mode and attributes of from. What to has by then is a container's, and
// stays. empty says that nothing is in to in the end.
func moveIn(from, to string) (empty bool, err error) {
	f, err := os.OpenFile(from, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	t, err := os.OpenFile(to, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	defer t.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return false, err
	}
	for _, n := range names {
		err := moveEntry(int(f.Fd()), int(t.Fd()), n)
		if errors.Is(err, unix.EEXIST) {
			err = safepath.RemoveAllAt(f, n)
		}
		if err != nil {
			return false, err
		}
	}
	var st, now unix.Stat_t
	if err := errors.Join(unix.Fstat(int(f.Fd()), &st), unix.Fstat(int(t.Fd()), &now)); err != nil {
		return false, err
	}
	// A directory that somebody gave another owner or mode is theirs.
	if int(now.Uid) == os.Geteuid() && now.Mode&0o7777 == 0o755 {
		if err := copytree.Metadata(int(f.Fd()), int(t.Fd()), &st); err != nil {
			return false, err
		}
	}
	full, err := hasEntries(to)
	return !full, err
}

// moveEntry moves an entry unless there is one of that name.
func moveEntry(from, to int, name string) error {
	err := unix.Renameat2(from, name, to, name, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	// This file system cannot do it in one step.
	var st unix.Stat_t
	if unix.Fstatat(to, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return unix.EEXIST
	}
	return unix.Renameat(from, name, to, name)
}
