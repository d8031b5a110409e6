package hostfacts

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Modes of control groups.
const (
	CgroupV1     = "v1"     // one hierarchy per controller
	CgroupHybrid = "hybrid" // the same, and v2 without controllers beside them
	CgroupV2     = "v2"     // one hierarchy
)

// Cgroup says which control groups there are.
type Cgroup struct {
	// Mode is one of the Cgroup constants, or empty where there are none.
	Mode string `json:"mode"`
	// Controllers are those that can be used, sorted. On v2 devices and freezer
	// are always there and are listed too. An ordinary user can use those of a
	// group that was delegated to them, in which this process is.
	Controllers []string `json:"controllers,omitempty"`
	// UserManager are those that the systemd of an ordinary user hands out, on v2;
	// empty where there is none to talk to.
	UserManager []string `json:"userManager,omitempty"`
	// Swap says that memory and swap can be limited together, BlkioWeight that
	// block I/O has weights. On v2 the former is assumed wherever the controller is
	// there.
	Swap        bool `json:"swap,omitempty"`
	BlkioWeight bool `json:"blkioWeight,omitempty"`
}

// V2 says whether the one hierarchy of cgroup v2 is what limits containers.
func (c Cgroup) V2() bool { return c.Mode == CgroupV2 }

// Has says whether the controller can be used.
func (c Cgroup) Has(controller string) bool {
	_, ok := slices.BinarySearch(c.Controllers, controller)
	return ok
}

// By gives what can be used through a manager: systemd or cgroupfs.
func (c Cgroup) By(manager string) Cgroup {
	if manager == "systemd" && len(c.UserManager) > 0 {
		c.Controllers = c.UserManager
	}
	return c
}

func (h *Host) readCgroup() Cgroup {
	var st unix.Statfs_t
	if unix.Statfs(h.path("sys/fs/cgroup"), &st) != nil {
		return Cgroup{}
	}
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		return h.cgroupV2()
	}
	mode := CgroupV1
	if unix.Statfs(h.path("sys/fs/cgroup/unified"), &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		mode = CgroupHybrid
	}
	return h.cgroupV1(mode)
}

// cgroupV2 lists the controllers of the group below which containers' groups
// are made: for root the top one, for others the one that their own is in.
func (h *Host) cgroupV2() Cgroup {
	c := Cgroup{Mode: CgroupV2}
	if h.rules() {
		c.Controllers = h.controllers("sys/fs/cgroup")
	} else {
		own := ""
		for line := range strings.Lines(h.read("proc/self/cgroup")) {
			if p, ok := strings.CutPrefix(line, "0::"); ok {
				own = path.Dir(strings.TrimSpace(p))
			}
		}
		c.Controllers = h.controllers("") // what needs no group
		if dir := "sys/fs/cgroup/" + own; h.writable(dir) && h.writable(dir+"/cgroup.procs") {
			c.Controllers = h.controllers(dir)
		}
		c.UserManager = h.userManager()
	}
	both := c.By("systemd")
	c.Swap, c.BlkioWeight = both.Has("memory"), both.Has("io") && h.weights()
	return c
}

// weights says whether groups of cgroup v2 have weights for block I/O, which two
// options of the kernel bring: its cost model, whose settings are in the top group
// only, and BFQ. Their files are in every other group that has the controller.
func (h *Host) weights() bool {
	for _, name := range []string{"io.cost.qos", "io.weight", "io.bfq.weight"} {
		if exists(h.path("sys/fs/cgroup/" + name)) {
			return true
		}
	}
	for _, pattern := range []string{"*/io.weight", "*/io.bfq.weight"} {
		if found, _ := filepath.Glob(h.path("sys/fs/cgroup/" + pattern)); len(found) > 0 {
			return true
		}
	}
	return false
}

// controllers are those of a group, and those that need none.
func (h *Host) controllers(dir string) []string {
	list := []string{"devices", "freezer"}
	if dir != "" {
		list = append(list, strings.Fields(h.read(dir+"/cgroup.controllers"))...)
	}
	slices.Sort(list)
	return list
}

// userManager lists what the user's own systemd was given, if it can be talked
// to. See user@.service(5).
func (h *Host) userManager() []string {
	uid := strconv.Itoa(h.outsideUID())
	dir := "sys/fs/cgroup/user.slice/user-" + uid + ".slice/user@" + uid + ".service"
	if !isDir(h.path(dir)) || !exists(h.path("run/user/"+uid+"/bus")) {
		return nil
	}
	return h.controllers(dir)
}

// rules says whether this process may do with all cgroups what it likes.
func (h *Host) rules() bool { return os.Geteuid() == 0 && !h.UserNS() }

// outsideUID is the user's id outside of the user namespace.
func (h *Host) outsideUID() int {
	for line := range strings.Lines(h.read("proc/self/uid_map")) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "0" && h.UserNS() {
			if uid, err := strconv.Atoi(f[1]); err == nil {
				return uid
			}
		}
	}
	return os.Getuid()
}

func (h *Host) writable(name string) bool { return unix.Access(h.path(name), unix.W_OK) == nil }

func (h *Host) cgroupV1(mode string) Cgroup {
	c := Cgroup{Mode: mode}
	for line := range strings.Lines(h.read("proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || f[1] == "" || strings.HasPrefix(f[1], "name=") {
			continue
		}
		for name := range strings.SplitSeq(f[1], ",") {
			dir := "sys/fs/cgroup/" + name
			if isDir(h.path(dir)) && (h.rules() || h.writable(dir+f[2])) {
				c.Controllers = append(c.Controllers, name)
			}
		}
	}
	slices.Sort(c.Controllers)
	if mode == CgroupV1 && len(c.Controllers) == 0 && h.rules() {
		return Cgroup{}
	}
	// The files are missing in the top group of some kernels and present in every
	// other one, hence a look at the top and, for swap, at what the kernel says.
	c.Swap = c.Has("memory") && exists(h.path("sys/fs/cgroup/memory/memory.memsw.usage_in_bytes"))
	// BFQ's weights are in every group but the top one, which has its counters.
	c.BlkioWeight = exists(h.path("sys/fs/cgroup/blkio/blkio.bfq.io_service_bytes")) ||
		exists(h.path("sys/fs/cgroup/blkio/blkio.weight"))
	return c
}
