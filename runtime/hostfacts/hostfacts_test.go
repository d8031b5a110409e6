package hostfacts

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// machine makes a root with these files.
func machine(t *testing.T, files map[string]string) *Host {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return At(root)
}

func TestUserNamespace(t *testing.T) {
	for _, c := range []struct {
		text   string
		in     bool
		mapped uint32
	}{
		{"         0          0 4294967295\n", false, 1<<32 - 1},
		{"0 1000 1\n1 100000 65535\n", true, 65536},
		{"1 100000 65535\n0 1000 1\n", true, 65536},
		{"0 1000 1\n5 100000 65535\n", true, 1},
		{"0 0 65536\n", true, 65536},
		{"", false, 0},
	} {
		h := machine(t, map[string]string{"proc/self/uid_map": c.text, "proc/self/gid_map": c.text})
		if h.UserNS() != c.in || h.MappedGIDs() != c.mapped || h.MappedUIDs() != c.mapped {
			t.Errorf("%q: in a user namespace %v with %d ids, want %v with %d", c.text, h.UserNS(), h.MappedGIDs(), c.in, c.mapped)
		}
	}
}

func TestFilesAreRead(t *testing.T) {
	h := machine(t, map[string]string{
		"proc/meminfo":                           "MemTotal:  2048 kB\nSwapTotal: 1024 kB\n",
		"sys/devices/system/cpu/online":          "0-2,7\n",
		"sys/module/apparmor/parameters/enabled": "Y\n",
		"sys/kernel/security/apparmor/profiles":  "a b (complain)\ndocker-default (enforce)\n",
		"proc/self/status":                       "Name:\tx\nCapEff:\t0000000001000001\nCapBnd:\t0000000000000003\n",
		"proc/self/uid_map":                      "0 0 4294967295\n",
		"proc/self/oom_score_adj":                "-17\n",
		"proc/sys/kernel/seccomp/actions_avail":  "allow\n",
		"run/systemd/system/x":                   "",
	})
	f := h.Facts()
	if h.Memory() != 2<<20 || h.Swap() != 1<<20 || f.CPUs != 4 || !f.AppArmor || f.AppArmorDefault != "docker-default" ||
		!f.CanRaise || f.OOMScoreAdj != -17 || !f.Seccomp || !f.Systemd || f.SELinux ||
		!slices.Equal(f.Capabilities, []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE"}) {
		t.Errorf("got %+v", f)
	}
	if !h.AppArmorLoaded("a b") || h.AppArmorLoaded("a") {
		t.Error("profiles are told apart by more than their names")
	}
}

func TestEmptyMachineHasNothing(t *testing.T) {
	f := At(t.TempDir()).Facts()
	if f.Cgroup.Mode != "" || f.AppArmor || f.SELinux || f.Systemd || f.Seccomp || f.CPUs != 0 || len(f.Capabilities) != 0 {
		t.Errorf("got %+v", f)
	}
}

func TestKernelVersions(t *testing.T) {
	for text, want := range map[string][2]int{
		"6.1.0-13-amd64": {6, 1}, "3.12-1": {3, 12}, "5.10": {5, 10}, "6.18-rc1": {6, 18}, "nonsense": {0, 0},
	} {
		if v := parseRelease(text); v.Major != want[0] || v.Minor != want[1] || v.Release != text {
			t.Errorf("%q: got %+v, want %v", text, v, want)
		}
	}
	v := Version{Major: 5, Minor: 12}
	if !v.AtLeast(5, 12) || !v.AtLeast(4, 19) || v.AtLeast(5, 13) || v.AtLeast(6, 0) {
		t.Error("versions are compared wrongly")
	}
}

func TestThisMachine(t *testing.T) {
	f := New().Facts()
	if f.CPUs < 1 || runtime.NumCPU() > f.CPUs || f.Kernel.Major < 3 || len(f.Rlimits) != len(RlimitNames()) || f.MappedUIDs == 0 {
		t.Errorf("got %+v", f)
	}
	if f.Cgroup.Mode != "" && !slices.IsSorted(f.Cgroup.Controllers) {
		t.Errorf("controllers %v are not sorted", f.Cgroup.Controllers)
	}
}

func TestDevices(t *testing.T) {
	d, err := DeviceAt("/dev/null")
	if err != nil || d.Type != "c" || d.Major != 1 || d.Minor != 3 {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := DeviceAt("/etc"); !errors.Is(err, ErrNoDevice) {
		t.Errorf("a directory: got %v", err)
	}
	if _, err := DeviceAt("/nonexistent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing device: got %v", err)
	}
	all, err := DevicesBelow("/dev")
	if err != nil || !slices.ContainsFunc(all, func(d Device) bool { return d.Path == "/dev/zero" }) ||
		slices.ContainsFunc(all, func(d Device) bool { return d.Path == "/dev/ptmx" || d.Path == "/dev/console" }) {
		t.Errorf("got %v, %v", all, err)
	}
}
