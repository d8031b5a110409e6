package premount

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroups shows the container its own groups: a tmpfs with a directory per
// hierarchy and a link per controller of those that have several.
func (a *applier) cgroups(opt options, place string) error {
	all := a.o.Cgroups()
	if len(all) == 0 {
		return unix.EOPNOTSUPP
	}
	target, _, err := a.root.Mountpoint(place, true)
	if err != nil {
		return err
	}
	defer target.Close()
	dir, err := newMount("tmpfs", "tmpfs", options{
		set:  unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC,
		data: []string{"mode=755"},
	})
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := attach(dir, target); err != nil {
		return err
	}
	opt.recursive, opt.privateAll = true, true
	for _, h := range all {
		if err = hierarchy(dir, h, opt); err != nil {
			break
		}
	}
	if err == nil && a.o.ReadOnlyCgroups {
		err = unix.MountSetattr(dir, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	}
	if err != nil {
		unix.Unmount("/proc/self/fd/"+strconv.Itoa(dir), unix.MNT_DETACH)
	}
	return err
}

func hierarchy(dir int, h Hierarchy, opt options) error {
	if err := unix.Mkdirat(dir, h.Name, 0o755); err != nil {
		return err
	}
	tree, err := openTree(h.Dir, opt)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	if err := unix.MoveMount(tree, "", dir, h.Name, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return err
	}
	if !strings.Contains(h.Name, ",") {
		return nil
	}
	for _, controller := range strings.Split(h.Name, ",") {
		if err := unix.Symlinkat(h.Name, dir, controller); err != nil {
			return err
		}
	}
	return nil
}
