package premount

import (
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// options are a mount's options in the kernel's form (mount_setattr(2)).
type options struct {
	set, clear  uint64
	atime       uint64 // one of MOUNT_ATTR__ATIME
	recursive   bool   // rbind
	readOnlyAll bool   // rro
	// private and privateAll make the mount, or all below it too, private.
	private, privateAll bool
	data                []string // the file system's own
}

// attributes are the options that set or clear a mount's attribute.
var attributes = map[string]struct {
	bit   uint64
	clear bool
}{
	"ro": {unix.MOUNT_ATTR_RDONLY, false}, "rw": {unix.MOUNT_ATTR_RDONLY, true},
	"nosuid": {unix.MOUNT_ATTR_NOSUID, false}, "suid": {unix.MOUNT_ATTR_NOSUID, true},
	"nodev": {unix.MOUNT_ATTR_NODEV, false}, "dev": {unix.MOUNT_ATTR_NODEV, true},
	"noexec": {unix.MOUNT_ATTR_NOEXEC, false}, "exec": {unix.MOUNT_ATTR_NOEXEC, true},
}

// parse refuses what is not known for certain to mean the same here as in the
// runtime.
func parse(m specs.Mount) (options, error) {
	var o options
	unknown := func(word string) error { return fmt.Errorf("option %q of a %s is the runtime's", word, m.Type) }
	if len(m.UIDMappings)+len(m.GIDMappings) > 0 {
		return o, unknown("idmap")
	}
	bind := m.Type == "bind"
	for _, word := range m.Options {
		if a, ok := attributes[word]; ok {
			o.attribute(a.bit, a.clear)
			continue
		}
		switch {
		case word == "private":
			o.private = true
		case word == "rprivate":
			o.privateAll = true
		case bind && word == "bind":
		case bind && word == "rbind":
			o.recursive = true
		case bind && word == "rro":
			o.readOnlyAll = true
		case !bind && word == "strictatime":
			o.atime = unix.MOUNT_ATTR_STRICTATIME
		case !bind && word == "noatime":
			o.atime = unix.MOUNT_ATTR_NOATIME
		case !bind && (strings.Contains(word, "=") || word == "newinstance"):
			o.data = append(o.data, word)
		default:
			return o, unknown(word)
		}
	}
	// A bind mount that is not made private is a peer of its source. A tmpfs is
	// made read-only last: the places of mounts in it come first.
	if bind && !o.private && !o.privateAll {
		return o, unknown("propagation")
	}
	if m.Type == "tmpfs" && o.set&unix.MOUNT_ATTR_RDONLY != 0 {
		return o, unknown("ro")
	}
	return o, nil
}

func (o *options) attribute(bit uint64, clear bool) {
	if clear {
		o.set, o.clear = o.set&^bit, o.clear|bit
		return
	}
	o.set, o.clear = o.set|bit, o.clear&^bit
}

// modeOption is the tmpfs option that gives it the mode of a directory.
func modeOption(dir *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("mode=%04o", st.Mode&0o7777), nil
}
