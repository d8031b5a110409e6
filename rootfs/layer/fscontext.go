package layer

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/state/thread"
)

// maxParam is the longest string that fsconfig(2) takes, without its end.
const maxParam = 255

// overlayParams keep the writable layer free of marks that only this kernel's
// defaults would leave in it: it is what diff and commit read.
func overlayParams() [][2]string {
	return [][2]string{{"index", "off"}, {"redirect_dir", "off"}, {"metacopy", "off"}}
}

// mountNew mounts with fsopen, fsconfig, fsmount and move_mount, which have no
// limit on the options as a whole.
func (o Overlay) mountNew() error {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("fsopen overlay: %w", err)
	}
	defer unix.Close(fs)
	var dirs openDirs
	defer dirs.close()
	if err := o.configure(fs, &dirs); err != nil {
		return withLog(fs, err)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return withLog(fs, fmt.Errorf("overlay: %w", err))
	}
	attr := 0
	if o.ReadOnly || o.Upper == "" {
		attr = unix.MOUNT_ATTR_RDONLY
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attr)
	if err != nil {
		return withLog(fs, fmt.Errorf("fsmount: %w", err))
	}
	defer unix.Close(mnt)
	if err := unix.MoveMount(mnt, "", unix.AT_FDCWD, o.Target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "mount on", Path: o.Target, Err: err}
	}
	return nil
}

func (o Overlay) configure(fs int, dirs *openDirs) error {
	set := func(key, dir string) error {
		value, err := dirs.param(dir)
		if err == nil {
			err = unix.FsconfigSetString(fs, key, value)
		}
		if err != nil {
			return &os.PathError{Op: key, Path: dir, Err: err}
		}
		return nil
	}
	if err := unix.FsconfigSetString(fs, "source", "overlay"); err != nil {
		return err
	}
	for i := len(o.Lower) - 1; i >= 0; i-- { // the topmost first
		if err := set("lowerdir+", o.Lower[i]); err != nil {
			return err
		}
	}
	if o.Upper != "" {
		if err := set("upperdir", o.Upper); err != nil {
			return err
		}
		if err := set("workdir", o.Work); err != nil {
			return err
		}
	}
	return o.options(func(key, value string) error {
		var err error
		if value == "" {
			err = unix.FsconfigSetFlag(fs, key)
		} else {
			err = unix.FsconfigSetString(fs, key, value)
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", key, err)
		}
		return nil
	})
}

// options calls set for each option that is not a directory; flags have no value.
func (o Overlay) options(set func(key, value string) error) error {
	if o.UserNS {
		if err := set("userxattr", ""); err != nil { // implies what overlayParams say
			return err
		}
	} else {
		for _, p := range overlayParams() {
			if err := set(p[0], p[1]); err != nil {
				return err
			}
		}
	}
	if o.Volatile && o.Upper != "" {
		return set("volatile", "")
	}
	return nil
}

// openDirs are directories that are named by their descriptors.
type openDirs []int

// param is a name for dir that means only dir as the value of a mount option:
// not too long, and free of the characters that the kernel takes as separators.
func (d *openDirs) param(dir string) (string, error) {
	if len(dir) <= maxParam && !strings.ContainsAny(dir, `:,\`) {
		return dir, nil
	}
	n, err := d.open(dir)
	return "/proc/self/fd/" + strconv.Itoa(n), err
}

func (d *openDirs) open(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	*d = append(*d, fd)
	return fd, nil
}

func (d *openDirs) close() {
	for _, fd := range *d {
		unix.Close(fd)
	}
}

// withLog adds what the kernel wrote into the mount's own log.
func withLog(fs int, err error) error {
	buf := make([]byte, 512)
	var said []string
	for range 8 {
		n, rerr := unix.Read(fs, buf)
		if rerr != nil || n <= 0 {
			break
		}
		line := strings.TrimSpace(string(buf[:n]))
		if kind, text, ok := strings.Cut(line, " "); ok && kind == "e" {
			said = append(said, strings.TrimPrefix(text, "overlay: "))
		}
	}
	if len(said) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(said, "; "))
}

// mountOld mounts with mount(2), whose options have to fit into one page: the
// directories are opened, and named by their descriptors relative to
// /proc/self/fd.
func (o Overlay) mountOld() error {
	var dirs openDirs
	defer dirs.close()
	names := make([]string, 0, len(o.Lower))
	for i := len(o.Lower) - 1; i >= 0; i-- {
		fd, err := dirs.open(o.Lower[i])
		if err != nil {
			return err
		}
		names = append(names, strconv.Itoa(fd))
	}
	opts := []string{"lowerdir=" + strings.Join(names, ":")}
	if o.Upper != "" {
		for _, d := range [][2]string{{"upperdir", o.Upper}, {"workdir", o.Work}} {
			fd, err := dirs.open(d[1])
			if err != nil {
				return err
			}
			opts = append(opts, d[0]+"="+strconv.Itoa(fd))
		}
	}
	o.options(func(key, value string) error {
		if value != "" {
			key += "=" + value
		}
		opts = append(opts, key)
		return nil
	})
	flags := uintptr(0)
	if o.ReadOnly || o.Upper == "" {
		flags = unix.MS_RDONLY
	}
	data := strings.Join(opts, ",")
	if len(data) >= os.Getpagesize() {
		return fmt.Errorf("%d layers are too many for this kernel", len(o.Lower))
	}
	return inDir("/proc/self/fd", func() error {
		return unix.Mount("overlay", o.Target, "overlay", flags, data)
	})
}

// inDir calls f on a thread whose working directory is dir; the others keep
// theirs.
func inDir(dir string, f func() error) (err error) {
	thread.Run(func() (restored bool) {
		if err = unix.Unshare(unix.CLONE_FS); err != nil {
			err = fmt.Errorf("unshare: %w", err)
			return true
		}
		if err = unix.Chdir(dir); err != nil {
			err = &os.PathError{Op: "chdir", Path: dir, Err: err}
			return false
		}
		err = f()
		return false
	})
	return err
}

// PrivateMountPoint makes the one mount that holds dir private, so that nothing
// mounted below dir later is seen in another mount namespace.
//
// Preconditions:
//   - the caller is in a mount namespace of its own
func PrivateMountPoint(dir string) error {
	path, err := realPath(dir)
	if err != nil {
		return fmt.Errorf("cannot make the mount of %s private: %w", dir, err)
	}
	for {
		// EINVAL: path is not where something is mounted.
		err := unix.Mount("", path, "", unix.MS_PRIVATE, "")
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINVAL) || path == "/" {
			return fmt.Errorf("cannot make the mount of %s private: %w", dir, err)
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 1)]
	}
}

// realPath is dir without symbolic links, as the kernel sees it.
func realPath(dir string) (string, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
}
