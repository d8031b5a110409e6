package hostfacts

import (
	"slices"
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
	// are always there and are listed too.
	Controllers []string `json:"controllers,omitempty"`
	// Swap says that memory and swap can be limited together, BlkioWeight that
	// block I/O has weights. Both are certain on v1; on v2 they are assumed
	// wherever the controller is there.
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

// cgroupV2 lists the controllers of the group that this process's own is in:
// below it containers' groups are made.
func (h *Host) cgroupV2() Cgroup {
	c := Cgroup{Mode: CgroupV2, Controllers: []string{"devices", "freezer"}}
	own := ""
	for line := range strings.Lines(h.read("proc/self/cgroup")) {
		if p, ok := strings.CutPrefix(line, "0::"); ok {
			own = strings.TrimSpace(p)
		}
	}
	list := h.read("sys/fs/cgroup/" + own + "/cgroup.controllers")
	if !h.UserNS() {
		// Root makes its groups from the top.
		list = h.read("sys/fs/cgroup/cgroup.controllers")
	}
	c.Controllers = append(c.Controllers, strings.Fields(list)...)
	slices.Sort(c.Controllers)
	c.Swap, c.BlkioWeight = c.Has("memory"), c.Has("io")
	return c
}

func (h *Host) cgroupV1(mode string) Cgroup {
	c := Cgroup{Mode: mode}
	for line := range strings.Lines(h.read("proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || f[1] == "" || strings.HasPrefix(f[1], "name=") {
			continue
		}
		for name := range strings.SplitSeq(f[1], ",") {
			if isDir(h.path("sys/fs/cgroup/" + name)) {
				c.Controllers = append(c.Controllers, name)
			}
		}
	}
	slices.Sort(c.Controllers)
	if mode == CgroupV1 && len(c.Controllers) == 0 {
		return Cgroup{}
	}
	// The files are missing in the top group of some kernels and present in every
	// other one, hence a look at the top and, for swap, at what the kernel says.
	c.Swap = c.Has("memory") && exists(h.path("sys/fs/cgroup/memory/memory.memsw.usage_in_bytes"))
	c.BlkioWeight = exists(h.path("sys/fs/cgroup/blkio/blkio.bfq.weight")) ||
		exists(h.path("sys/fs/cgroup/blkio/blkio.weight"))
	return c
}
