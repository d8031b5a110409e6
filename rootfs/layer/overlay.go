// Package layer makes root file systems out of layers: overlay mounts of an
// image's layers with a container's writable one on top, and the records of the
// images that the layers belong to.
//
// Not here: fetching and unpacking layers, which is the image tool's, and
// opening paths inside a mounted root file system (rootfs/safepath).
package layer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MaxLayers is how many lower layers the kernel stacks (OVL_MAX_STACK).
const MaxLayers = 500

// Errors of Mount that callers ask for.
var (
	// ErrNoOverlay: this kernel has no overlay file system for the caller.
	ErrNoOverlay = errors.New("the overlay file system is not available")
	// ErrLayerMissing: a layer's directory is not there (any more).
	ErrLayerMissing = errors.New("a layer of the image is missing")
)

// Overlay is a root file system to mount. All paths are absolute.
type Overlay struct {
	// Lower are the image's layers, lowest first; none for an image without.
	Lower []string
	// Upper and Work are the writable layer; both empty mount the layers
	// read-only.
	Upper, Work string
	// Target is the directory to mount on.
	Target string
	// ReadOnly makes the mount read-only although it has a writable layer.
	ReadOnly bool
	// UserNS says that the caller is root in a user namespace only, so that the
	// kernel keeps its marks in user.* instead of trusted.* attributes.
	UserNS bool
	// Volatile leaves out all syncs of the writable layer: for containers that
	// nobody wants back after a power cut (--rm).
	Volatile bool
}

// Mount mounts the root file system on Target, in the calling process's mount
// namespace. On error nothing is mounted.
//
// Preconditions:
//   - the mount that holds Target is private (PrivateMountPoint), otherwise the
//     host sees the container's files
func (o Overlay) Mount() error {
	if len(o.Lower) > MaxLayers {
		return fmt.Errorf("cannot mount the root file system: the image has %d layers, the kernel takes %d", len(o.Lower), MaxLayers)
	}
	if err := o.mount(); err != nil {
		return fmt.Errorf("cannot mount the root file system: %w", o.explain(err))
	}
	return nil
}

func (o Overlay) mount() error {
	if o.Upper != "" {
		if err := o.prepare(); err != nil {
			return err
		}
	}
	switch {
	case len(o.Lower) == 0 && o.Upper == "":
		return unix.Mount("tmpfs", o.Target, "tmpfs", unix.MS_RDONLY, "size=4k,mode=755")
	case len(o.Lower) == 0:
		// Overlay insists on a lower layer. Without one the writable layer is the
		// root file system.
		return bind(o.Upper, o.Target, o.ReadOnly)
	case len(o.Lower) == 1 && o.Upper == "":
		// Overlay insists on two; the empty directory that is mounted on is the
		// second. A read-only bind mount would do for those who keep to it: a
		// privileged container could make it writable, and the store's layer with it.
		o.Lower = []string{o.Target, o.Lower[0]}
	}
	err := o.mountNew()
	if err == nil || errors.Is(err, unix.EROFS) || errors.Is(err, unix.ENOENT) {
		return err
	}
	// Kernels before 6.7 do not take layers one by one, those before 5.2 have no
	// fsopen, and some seccomp filters hide it. Where the old way fails too, the
	// new one's error says more.
	if o.mountOld() == nil {
		return nil
	}
	return err
}

// prepare gives a new writable layer the root directory's owner and mode from
// the top layer: overlay shows those of the writable layer. The kernel makes
// work/work at the first mount; from then on the container may have changed
// them.
func (o Overlay) prepare() error {
	if _, err := os.Lstat(filepath.Join(o.Work, "work")); err == nil {
		return o.forgetVolatile()
	}
	if len(o.Lower) == 0 {
		return nil
	}
	var st unix.Stat_t
	top := o.Lower[len(o.Lower)-1]
	if err := unix.Lstat(top, &st); err != nil {
		return &os.PathError{Op: "stat", Path: top, Err: err}
	}
	if err := unix.Lchown(o.Upper, int(st.Uid), int(st.Gid)); err != nil {
		// An owner that this user namespace does not know shows as nobody and
		// cannot be given away.
		if !o.UserNS {
			return &os.PathError{Op: "chown", Path: o.Upper, Err: err}
		}
	}
	if err := unix.Chmod(o.Upper, st.Mode&0o7777); err != nil {
		return &os.PathError{Op: "chmod", Path: o.Upper, Err: err}
	}
	return nil
}

// forgetVolatile removes the mark that an earlier volatile mount left, with
// which the kernel refuses to mount the writable layer again. It is there to
// tell of writes that a power cut lost; a container that was mounted volatile
// does not outlive one.
func (o Overlay) forgetVolatile() error {
	mark := filepath.Join(o.Work, "work/incompat/volatile")
	err := unix.Rmdir(mark)
	if errors.Is(err, unix.ENOTEMPTY) {
		unix.Unlink(filepath.Join(mark, "dirty"))
		err = unix.Rmdir(mark)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot reuse the writable layer: %w", err)
	}
	return nil
}

// bind shows source on target, as a private mount: as a peer of source's, where
// that is shared, what a container mounts in it would appear in source on the host.
func bind(source, target string, readOnly bool) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return &os.PathError{Op: "bind", Path: source, Err: err}
	}
	if err := unix.Mount("", target, "", unix.MS_PRIVATE, ""); err != nil {
		unix.Unmount(target, unix.MNT_DETACH)
		return &os.PathError{Op: "bind", Path: source, Err: err}
	}
	if !readOnly {
		return nil
	}
	// In a user namespace the flags of the mount underneath are locked and have
	// to be repeated.
	var fs unix.Statfs_t
	if err := unix.Statfs(target, &fs); err != nil {
		unix.Unmount(target, unix.MNT_DETACH)
		return err
	}
	const locked = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME
	flags := uintptr(fs.Flags)&locked | unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY
	if err := unix.Mount("", target, "", flags, ""); err != nil {
		unix.Unmount(target, unix.MNT_DETACH)
		return &os.PathError{Op: "remount read-only", Path: target, Err: err}
	}
	return nil
}

// explain gives the reasons that a user can do something about.
func (o Overlay) explain(err error) error {
	for _, dir := range o.Lower {
		if _, serr := os.Stat(dir); errors.Is(serr, os.ErrNotExist) {
			return fmt.Errorf("%w: %s (pull the image again)", ErrLayerMissing, dir)
		}
	}
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w in this kernel (modprobe overlay)", ErrNoOverlay)
	case errors.Is(err, unix.EPERM) && o.UserNS:
		return fmt.Errorf("%w in a user namespace (it takes Linux 5.11 or newer, this is %s)", ErrNoOverlay, release())
	case errors.Is(err, unix.EINVAL) && o.UserNS && olderThan(release(), 5, 11):
		return fmt.Errorf("%w in a user namespace (it takes Linux 5.11 or newer, this is %s)", ErrNoOverlay, release())
	}
	return err
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func olderThan(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a < major || a == major && b < minor
}
