package hostfacts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Device is a device node as the host has it.
type Device struct {
	Path  string // on the host
	Type  string // c, b or p
	Major int64
	Minor int64
	Mode  os.FileMode // permission bits
	UID   uint32
	GID   uint32
	// Weighted says that BFQ schedules this block device's requests, which is who
	// knows weights of single devices on cgroup v1.
	Weighted bool
}

// ErrNoDevice means that a path is not a device node.
var ErrNoDevice = errors.New("not a device")

// DeviceAt reads the device node at path, following symbolic links.
func DeviceAt(path string) (Device, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Device{}, fmt.Errorf("cannot use device %q: %w", path, err)
	}
	d := Device{
		Path:  path,
		Major: int64(unix.Major(uint64(st.Rdev))),
		Minor: int64(unix.Minor(uint64(st.Rdev))),
		Mode:  os.FileMode(st.Mode & 0o777),
		UID:   st.Uid,
		GID:   st.Gid,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		d.Type = "c"
	case unix.S_IFBLK:
		d.Type = "b"
		d.Weighted = weighted("/sys/dev/block", d.Major, d.Minor)
	case unix.S_IFIFO:
		d.Type = "p"
	default:
		return Device{}, fmt.Errorf("cannot use device %q: %w", path, ErrNoDevice)
	}
	return d, nil
}

// weighted says whether BFQ schedules a block device's requests. dir is
// /sys/dev/block; a partition has no queue of its own but that of its disk.
func weighted(dir string, major, minor int64) bool {
	dev := fmt.Sprintf("%s/%d:%d", dir, major, minor)
	for _, queue := range []string{"/queue/scheduler", "/../queue/scheduler"} {
		if data, err := os.ReadFile(dev + queue); err == nil { // the kernel follows the link, then ..
			return strings.Contains(string(data), "[bfq]")
		}
	}
	return false
}

// DevicesBelow lists the device nodes in a directory tree, leaving out what a
// container has of its own (terminals, shared memory, message queues) and what
// cannot be read.
func DevicesBelow(dir string) ([]Device, error) {
	var out []Device
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if path == dir {
				return fmt.Errorf("cannot use device %q: %w", dir, err)
			}
			return fs.SkipDir
		}
		if e.IsDir() {
			switch e.Name() {
			case "pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev":
				if path != dir {
					return fs.SkipDir
				}
			}
			return nil
		}
		if e.Type()&fs.ModeDevice == 0 || path == "/dev/console" || path == "/dev/ptmx" {
			return nil
		}
		d, err := DeviceAt(path)
		if err != nil {
			return nil // it went away
		}
		out = append(out, d)
		return nil
	})
	return out, err
}
