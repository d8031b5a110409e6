// Package hostfacts finds out what this machine can do: its cgroups, kernel,
// security modules, processors, limits and devices.
//
// A fact is read when it is first asked for and then kept, because commands
// live for milliseconds and most of them ask for little. Not here: decisions.
// What to do about a missing controller is for the caller to say.
package hostfacts

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Host answers questions about the machine. It may be used by several
// goroutines at once.
type Host struct {
	root string

	cgroup    func() Cgroup
	systemd   func() bool
	userNS    func() bool
	ids       func() [2]uint32
	apparmor  func() bool
	selinux   func() bool
	kernel    func() Version
	memory    func() uint64
	swap      func() uint64
	bounding  func() []string
	effective func() uint64
	oomScore  func() int
}

// New describes the running machine.
func New() *Host { return At("/") }

// At describes the machine whose /proc, /sys and /run are below root. System
// calls (limits, the kernel's version) still ask the running one.
func At(root string) *Host {
	h := &Host{root: root}
	h.cgroup = sync.OnceValue(h.readCgroup)
	h.systemd = sync.OnceValue(func() bool { return isDir(h.path("run/systemd/system")) })
	h.userNS = sync.OnceValue(h.readUserNS)
	h.ids = sync.OnceValue(func() [2]uint32 {
		return [2]uint32{h.mappedFromZero("uid_map"), h.mappedFromZero("gid_map")}
	})
	h.apparmor = sync.OnceValue(func() bool {
		return strings.HasPrefix(h.read("sys/module/apparmor/parameters/enabled"), "Y")
	})
	h.selinux = sync.OnceValue(func() bool { return exists(h.path("sys/fs/selinux/enforce")) })
	h.kernel = sync.OnceValue(readKernel)
	h.memory = sync.OnceValue(func() uint64 { return h.meminfo("MemTotal:") })
	h.swap = sync.OnceValue(func() uint64 { return h.meminfo("SwapTotal:") })
	h.effective = sync.OnceValue(func() uint64 { return h.statusMask("CapEff:") })
	h.bounding = sync.OnceValue(func() []string { return capabilityNames(h.statusMask("CapBnd:")) })
	h.oomScore = sync.OnceValue(func() int {
		n, _ := strconv.Atoi(strings.TrimSpace(h.read("proc/self/oom_score_adj")))
		return n
	})
	return h
}

// Cgroup says which control groups there are.
func (h *Host) Cgroup() Cgroup { return h.cgroup() }

// Systemd says whether systemd is the machine's init. See sd_booted(3).
func (h *Host) Systemd() bool { return h.systemd() }

// UserNS says whether this process is in a user namespace other than the
// machine's first one.
func (h *Host) UserNS() bool { return h.userNS() }

// MappedUIDs and MappedGIDs are how many ids from 0 on exist in this user
// namespace without a gap.
func (h *Host) MappedUIDs() uint32 { return h.ids()[0] }
func (h *Host) MappedGIDs() uint32 { return h.ids()[1] }

// AppArmor says whether the kernel confines processes by AppArmor profiles.
func (h *Host) AppArmor() bool { return h.apparmor() }

// AppArmorLoaded says whether a profile of that name is loaded. It is false
// where the list may not be read.
func (h *Host) AppArmorLoaded(profile string) bool {
	for line := range strings.Lines(h.read("sys/kernel/security/apparmor/profiles")) {
		if name, _, ok := strings.Cut(line, " ("); ok && name == profile {
			return true
		}
	}
	return false
}

// SELinux says whether SELinux is enabled.
func (h *Host) SELinux() bool { return h.selinux() }

// Seccomp says whether the kernel has seccomp filters.
func (h *Host) Seccomp() bool {
	return exists(h.path("proc/sys/kernel/seccomp/actions_avail"))
}

// Kernel is the running kernel's version.
func (h *Host) Kernel() Version { return h.kernel() }

// Memory and Swap are the machine's in bytes.
func (h *Host) Memory() uint64 { return h.memory() }
func (h *Host) Swap() uint64   { return h.swap() }

// CPUs is the number of processors that are online.
func (h *Host) CPUs() int {
	return countList(strings.TrimSpace(h.read("sys/devices/system/cpu/online")))
}

// Capabilities are the names of the capabilities that this process could hand
// on, its bounding set, in the kernel's order.
func (h *Host) Capabilities() []string { return h.bounding() }

// CanRaise says whether this process may raise hard limits and lower
// oom_score_adj: it has CAP_SYS_RESOURCE towards the machine.
func (h *Host) CanRaise() bool {
	return !h.UserNS() && h.effective()&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// OOMScoreAdj is this process's own, from -1000 to 1000.
func (h *Host) OOMScoreAdj() int { return h.oomScore() }

func (h *Host) path(name string) string { return filepath.Join(h.root, name) }

// read gives a file's content, empty where it cannot be read: a fact that
// cannot be found out is treated as absent.
func (h *Host) read(name string) string {
	b, err := os.ReadFile(h.path(name))
	if err != nil {
		return ""
	}
	return string(b)
}

func (h *Host) readUserNS() bool {
	f := strings.Fields(h.read("proc/self/uid_map"))
	return len(f) > 0 && (len(f) != 3 || f[0] != "0" || f[1] != "0" || f[2] != "4294967295")
}

// mappedFromZero counts the ids from 0 on that the namespace's map covers.
func (h *Host) mappedFromZero(name string) uint32 {
	var next uint64
	rest := strings.Split(strings.TrimSpace(h.read("proc/self/"+name)), "\n")
	for progress := true; progress; {
		progress = false
		for _, line := range rest {
			f := strings.Fields(line)
			if len(f) != 3 {
				continue
			}
			first, err1 := strconv.ParseUint(f[0], 10, 32)
			count, err2 := strconv.ParseUint(f[2], 10, 32)
			if err1 == nil && err2 == nil && first == next && count > 0 {
				next, progress = first+count, true
			}
		}
	}
	return uint32(min(next, 1<<32-1))
}

// meminfo gives a value of /proc/meminfo in bytes.
func (h *Host) meminfo(key string) uint64 {
	for line := range strings.Lines(h.read("proc/meminfo")) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == key {
			n, _ := strconv.ParseUint(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

func (h *Host) statusMask(key string) uint64 {
	for line := range strings.Lines(h.read("proc/self/status")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == key {
			n, _ := strconv.ParseUint(f[1], 16, 64)
			return n
		}
	}
	return 0
}

// countList counts the members of a list such as "0-2,7".
func countList(list string) int {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		if err != nil {
			continue
		}
		if !isRange {
			n++
		} else if b, err := strconv.Atoi(last); err == nil && b >= a {
			n += b - a + 1
		}
	}
	return n
}

func exists(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil
}

func isDir(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}
