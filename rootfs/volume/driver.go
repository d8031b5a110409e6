package volume

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/rootfs/layer"
	"skiff/state"
)

// Mount is what the options of a volume's driver ask to be mounted on its
// directory. mount(2).
type Mount struct {
	Source, Type string
	Flags        uintptr
	Data         string
}

// Mounted gives what is to be mounted as the volume's content; false for a
// volume that is just a directory. Docker: the local driver's type, device, o.
func Mounted(vol *state.Volume) (Mount, bool) {
	o := vol.Options
	if o["device"] == "" {
		return Mount{}, false
	}
	m := Mount{Source: o["device"], Type: o["type"]}
	if m.Type == "bind" { // Podman's word for o=bind
		m.Type, m.Flags = "none", unix.MS_BIND
	}
	var data []string
	for word := range strings.SplitSeq(o["o"], ",") {
		switch flag := mountFlag(word); {
		case word == "" || isNote(word):
		case flag.set != 0:
			m.Flags |= flag.set
		case flag.clear != 0:
			m.Flags &^= flag.clear
		case word != "rw" && word != "defaults":
			data = append(data, word)
		}
	}
	if m.Flags&unix.MS_BIND == 0 {
		data = append(data, ownData(o, data)...)
	}
	m.Data = strings.Join(data, ",")
	return m, true
}

// ownData are the options of keys of their own that the file system takes.
func ownData(o map[string]string, data []string) (out []string) {
	for _, key := range []string{"size", "uid", "gid"} {
		given := slices.ContainsFunc(data, func(w string) bool { return strings.HasPrefix(w, key+"=") })
		if value := o[key]; value != "" && !given {
			out = append(out, key+"="+value)
		}
	}
	return out
}

type flagChange struct{ set, clear uintptr }

// mountFlag is what a word of mount(8) means for mount(2).
func mountFlag(word string) flagChange {
	switch word {
	case "bind":
		return flagChange{set: unix.MS_BIND}
	case "rbind":
		return flagChange{set: unix.MS_BIND | unix.MS_REC}
	case "ro":
		return flagChange{set: unix.MS_RDONLY}
	case "rw":
		return flagChange{clear: unix.MS_RDONLY}
	case "nosuid":
		return flagChange{set: unix.MS_NOSUID}
	case "suid":
		return flagChange{clear: unix.MS_NOSUID}
	case "nodev":
		return flagChange{set: unix.MS_NODEV}
	case "dev":
		return flagChange{clear: unix.MS_NODEV}
	case "noexec":
		return flagChange{set: unix.MS_NOEXEC}
	case "exec":
		return flagChange{clear: unix.MS_NOEXEC}
	case "sync":
		return flagChange{set: unix.MS_SYNCHRONOUS}
	case "async":
		return flagChange{clear: unix.MS_SYNCHRONOUS}
	case "dirsync":
		return flagChange{set: unix.MS_DIRSYNC}
	case "noatime":
		return flagChange{set: unix.MS_NOATIME}
	case "nodiratime":
		return flagChange{set: unix.MS_NODIRATIME}
	case "relatime":
		return flagChange{set: unix.MS_RELATIME}
	case "strictatime":
		return flagChange{set: unix.MS_STRICTATIME}
	}
	return flagChange{}
}

// Attach mounts what the options of the volume's driver ask for on its
// directory, in the calling process's mount namespace. For other volumes it
// does nothing.
//
// Preconditions:
//   - the caller is in a mount namespace of its own
func (v Volumes) Attach(name string) error {
	vol, err := v.Load(name)
	if err != nil {
		return err
	}
	m, ok := Mounted(vol)
	if !ok {
		return nil
	}
	target := v.Roots.VolumeData(name)
	if err := layer.PrivateMountPoint(target); err != nil {
		return err
	}
	return m.at(name, target)
}

// AttachAt is Attach to a directory, as a mount that others may see; false for a
// volume that is just a directory.
func (v Volumes) AttachAt(name, target string) (mounted bool, err error) {
	vol, err := v.Load(name)
	if err != nil {
		return false, err
	}
	m, ok := Mounted(vol)
	if !ok {
		return false, nil
	}
	return true, m.at(name, target)
}

// at mounts the volume's content on target.
func (m Mount) at(name, target string) error {
	if err := m.findServer(); err != nil {
		return fmt.Errorf("cannot mount volume %q: %w", name, err)
	}
	const bind = unix.MS_BIND | unix.MS_REC
	flags := m.Flags
	if flags&unix.MS_BIND != 0 {
		flags &= bind // the others count only when the bind mount is there
	}
	err := unix.Mount(m.Source, target, m.Type, flags, m.Data)
	if rest := m.Flags &^ bind; err == nil && flags != m.Flags && rest != 0 {
		if err = unix.Mount("", target, "", rest|unix.MS_BIND|unix.MS_REMOUNT, ""); err != nil {
			unix.Unmount(target, unix.MNT_DETACH)
		}
	}
	if errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("cannot mount volume %q: this kernel has no file system %q", name, m.Type)
	}
	if err != nil {
		return fmt.Errorf("cannot mount volume %q: %w", name, &os.PathError{Op: "mount", Path: m.Source, Err: err})
	}
	return nil
}
