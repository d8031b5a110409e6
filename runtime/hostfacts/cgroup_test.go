package hostfacts

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestDelegatedControllers: in a user namespace only what may be written to
// counts; here that is what exists, because the test may write to all of it.
func TestDelegatedControllers(t *testing.T) {
	h := machine(t, map[string]string{
		"proc/self/uid_map":                     "0 1000 1\n1 100000 65536\n",
		"proc/self/cgroup":                      "5:memory:/mine\n4:pids:/root\n3:cpu,cpuacct:/mine\n1:name=systemd:/\n0::/mine\n",
		"sys/fs/cgroup/memory/mine/x":           "",
		"sys/fs/cgroup/pids/x":                  "",
		"sys/fs/cgroup/cpu/mine/x":              "",
		"sys/fs/cgroup/cpuacct/x":               "",
		"sys/fs/cgroup/unified/cgroup.procs":    "",
		"sys/fs/cgroup/blkio/cgroup.procs":      "",
		"sys/fs/cgroup/memory/cgroup.procs":     "",
		"sys/fs/cgroup/cpu/cgroup.procs":        "",
		"sys/fs/cgroup/cpuacct/cgroup.procs":    "",
		"sys/fs/cgroup/user.slice/cgroup.procs": "",
	})
	if c := h.cgroupV1(CgroupHybrid); !slices.Equal(c.Controllers, []string{"cpu", "memory"}) {
		t.Errorf("v1: got %v, want cpu and memory", c.Controllers)
	}
}

// TestWeights: the top group has BFQ's counters but not its weights.
func TestWeights(t *testing.T) {
	files := map[string]string{"proc/self/cgroup": "5:blkio:/\n", "sys/fs/cgroup/blkio/cgroup.procs": ""}
	if c := machine(t, files).cgroupV1(CgroupV1); c.BlkioWeight {
		t.Error("weights without BFQ")
	}
	files["sys/fs/cgroup/blkio/blkio.bfq.io_service_bytes"] = ""
	if c := machine(t, files).cgroupV1(CgroupV1); !c.BlkioWeight {
		t.Error("no weights with BFQ")
	}
}

// TestWeightsOnV2: they are an option of the kernel's beside the controller.
func TestWeightsOnV2(t *testing.T) {
	for file, want := range map[string]bool{
		"sys/fs/cgroup/io.stat": false, "sys/fs/cgroup/io.cost.qos": true,
		"sys/fs/cgroup/system.slice/io.weight": true, "sys/fs/cgroup/init.scope/io.bfq.weight": true,
	} {
		files := map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cgroup.controllers": "io memory\n", "sys/fs/cgroup/cgroup.procs": "", file: "",
		}
		if got := machine(t, files).weights(); got != want {
			t.Errorf("with %s: got %v, want %v", file, got, want)
		}
	}
}

func TestWeightedDevices(t *testing.T) {
	h := machine(t, map[string]string{
		"block/a/queue/scheduler": "none [bfq]\n", "block/a/a1/partition": "1\n",
		"block/b/queue/scheduler": "[none] bfq\n",
		"dev/x":                   "",
	})
	for i, name := range []string{"a", "a/a1", "b"} {
		if err := os.Symlink("../block/"+name, filepath.Join(h.root, "dev", "8:"+strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	for minor, want := range []bool{true, true, false, false} {
		if got := weighted(filepath.Join(h.root, "dev"), 8, int64(minor)); got != want {
			t.Errorf("8:%d: got %v, want %v", minor, got, want)
		}
	}
}

func TestUserManagersControllers(t *testing.T) {
	files := map[string]string{
		"proc/self/uid_map": "0 1000 1\n1 100000 65536\n",
		"proc/self/cgroup":  "0::/user.slice/user-1000.slice/session-1.scope\n",
		"run/user/1000/bus": "",
		"sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers": "pids memory\n",
	}
	c := machine(t, files).cgroupV2()
	if want := []string{"devices", "freezer"}; !slices.Equal(c.Controllers, want) {
		t.Errorf("in a session without a delegated group: got %v, want %v", c.Controllers, want)
	}
	if want := []string{"devices", "freezer", "memory", "pids"}; !slices.Equal(c.By("systemd").Controllers, want) {
		t.Errorf("of the user's systemd: got %v, want %v", c.UserManager, want)
	}
	if !slices.Equal(c.By("cgroupfs").Controllers, c.Controllers) || !c.Swap || c.BlkioWeight {
		t.Errorf("got %+v", c)
	}
	delete(files, "run/user/1000/bus")
	if c := machine(t, files).cgroupV2(); c.UserManager != nil {
		t.Errorf("without a bus to ask it: got %v", c.UserManager)
	}
	files["sys/fs/cgroup/user.slice/user-1000.slice/cgroup.controllers"] = "cpu\n"
	files["sys/fs/cgroup/user.slice/user-1000.slice/cgroup.procs"] = ""
	if c := machine(t, files).cgroupV2(); !c.Has("cpu") {
		t.Errorf("in a delegated group: got %v", c.Controllers)
	}
}
