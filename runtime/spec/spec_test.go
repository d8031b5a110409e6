package spec

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/runtime/hostfacts"
	"skiff/state"
)

var update = flag.Bool("update", false, "write the golden files")

// v2 and v1 are the machines of the tests.
func v2() hostfacts.Facts {
	return hostfacts.Facts{
		Cgroup:       hostfacts.Cgroup{Mode: "v2", Controllers: []string{"cpu", "cpuset", "devices", "freezer", "io", "memory", "pids"}, Swap: true, BlkioWeight: true},
		Kernel:       hostfacts.Version{Major: 6, Minor: 1},
		Systemd:      true,
		MappedUIDs:   1<<32 - 1,
		MappedGIDs:   1<<32 - 1,
		Seccomp:      true,
		CPUs:         2,
		Capabilities: hostfacts.AllCapabilities(),
		CanRaise:     true,
		Rlimits:      map[string]hostfacts.Rlimit{"nofile": {Soft: 1024, Hard: 4096}},
	}
}

func v1() hostfacts.Facts {
	f := v2()
	f.Cgroup = hostfacts.Cgroup{Mode: "v1", Controllers: []string{"blkio", "cpu", "cpuset", "devices", "freezer", "memory"}}
	f.Kernel = hostfacts.Version{Major: 4, Minor: 19}
	f.CanRaise = false
	f.Capabilities = f.Capabilities[:24] // without CAP_SYS_RESOURCE and those after it
	return f
}

func userNS() hostfacts.Facts {
	f := v2()
	f.UserNS, f.CanRaise, f.MappedUIDs, f.MappedGIDs = true, false, 65536, 65536
	f.Cgroup.UserManager, f.Cgroup.Controllers = []string{"devices", "freezer", "memory", "pids"}, []string{"devices", "freezer"}
	return f
}

func base() *state.Config {
	caps, _ := Capabilities(nil, nil, false)
	return &state.Config{
		Version: 1, ID: strings.Repeat("0123456789abcdef", 4), Name: "web",
		Process:       state.Process{Entrypoint: []string{"/entry"}, Cmd: []string{"a", "b"}, Env: []string{"A=1"}, Cwd: "/srv"},
		Network:       state.Network{Mode: "bridge"},
		Security:      state.Security{Capabilities: caps, Seccomp: "unconfined"},
		CgroupManager: "cgroupfs",
	}
}

func inputs(host hostfacts.Facts) Inputs {
	return Inputs{Host: host, Rootfs: "/rootfs", User: User{Home: "/root"}, Join: Join{Net: "/run/netns"}}
}

func ptr[T any](v T) *T { return &v }

func null() hostfacts.Device {
	return hostfacts.Device{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, Mode: 0o666}
}

// golden cases: what is built and what is warned of.
var goldens = []struct {
	name   string
	host   func() hostfacts.Facts
	change func(c *state.Config, in *Inputs)
}{
	{"plain", v2, func(c *state.Config, in *Inputs) {}},
	{"plain on cgroup v1", v1, func(c *state.Config, in *Inputs) {}},
	{"privileged", v2, func(c *state.Config, in *Inputs) {
		c.Security.Privileged = true
		c.Security.Seccomp = ""
		c.Security.Capabilities, _ = Capabilities(nil, nil, true)
		in.HostDevices = []hostfacts.Device{null(), {Path: "/dev/sda", Type: "b", Major: 8, Minor: 0, Mode: 0o660, GID: 6}}
	}},
	{"privileged without CAP_SYS_RESOURCE", v1, func(c *state.Config, in *Inputs) {
		c.Security.Privileged = true
		c.Security.Capabilities, _ = Capabilities(nil, nil, true)
	}},
	{"rootless", userNS, func(c *state.Config, in *Inputs) { in.Rootless = true }},
	{"rootless with systemd and limits", userNS, func(c *state.Config, in *Inputs) {
		in.Rootless, c.CgroupManager, c.Resources.Memory = true, "systemd", 1<<20
	}},
	{"rootless with a delegated group", userNS, func(c *state.Config, in *Inputs) {
		in.Host.Cgroup.Controllers = []string{"devices", "freezer", "memory", "pids"}
		in.Rootless, c.Resources.Memory = true, 1<<20
	}},
	{"rootless with the host's namespaces", userNS, func(c *state.Config, in *Inputs) {
		in.Rootless, c.Network.Mode, in.Join, in.Hostname = true, "host", Join{}, "machine"
		c.Namespaces = state.Namespaces{Pid: "host", Ipc: "host", Uts: "host"}
		in.Devices = []Device{{Device: null(), Container: "/dev/null2", Permissions: "rw"}}
	}},
	{"joined namespaces", v2, func(c *state.Config, in *Inputs) {
		c.Network.Mode = "container:x"
		c.Namespaces = state.Namespaces{Pid: "container:x", Ipc: "container:x", Uts: "container:x", Cgroup: "host"}
		in.Join = Join{Net: "/n", Pid: "/p", IPC: "/i", UTS: "/u"}
		in.Shm, in.Hostname = "/shm-of-x", "x"
	}},
	{"mounts", v2, func(c *state.Config, in *Inputs) {
		c.Mounts = []state.Mount{
			{Type: "volume", Source: "data", Target: "/var/lib/data"},
			{Type: "bind", Source: "/src", Target: "/a", ReadOnly: true, Options: []string{"z", "noexec"}},
			{Type: "bind", Source: "/src2", Target: "/b", NonRecursive: true, Propagation: "rshared"},
			{Type: "bind", Source: "/my/hosts", Target: "/etc/hosts"},
			{Type: "tmpfs", Target: "/dev/shm", Options: []string{"size=1m", "exec"}},
			{Type: "image", Source: "i", Target: "/img", ReadOnly: true},
			{Type: "volume", Source: "etc", Target: "/etc"},
		}
		in.Sources = map[string]string{"/var/lib/data": "/v/data", "/img": "/v/img", "/etc": "/v/etc"}
		in.ResolvConf, in.Hosts, in.HostnameFile = "/run/resolv.conf", "/run/hosts", "/run/hostname"
	}},
	{"read-only with init and a terminal", v2, func(c *state.Config, in *Inputs) {
		c.ReadOnly, c.ReadOnlyTmpfs, c.Process.Init, c.Process.Terminal = true, true, true, true
		in.InitPath, in.ResolvConf = "/usr/bin/tini", "/run/resolv.conf"
	}},
	{"all limits", v2, allLimits},
	{"all limits on cgroup v1", v1, allLimits},
	{"identity", v2, func(c *state.Config, in *Inputs) {
		in.User = User{UID: 1000, GID: 1001, Groups: []uint32{5, 6}, Home: "/home/u"}
		c.Hostname, c.Domainname = "h", "example.org"
		c.Process.Env = []string{"PATH=/bin", "HOME=/x"}
		c.Process.OOMScoreAdj = ptr(-500)
		c.Security.NoNewPrivileges = true
		c.Security.Unmask, c.Security.Mask = []string{"/proc/*"}, []string{"/secret"}
		c.Annotations = map[string]string{"k": "v"}
		c.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "1024", "kernel.msgmax": "1"}
	}},
	{"limits of the process without CAP_SYS_RESOURCE", v1, func(c *state.Config, in *Inputs) {
		c.Ulimits = []state.Ulimit{{Name: "nofile", Soft: -1, Hard: -1}, {Name: "core", Soft: 0, Hard: 5}}
		c.Process.OOMScoreAdj = ptr(-500)
		in.Host.OOMScoreAdj = 100
	}},
	{"devices", v2, func(c *state.Config, in *Inputs) {
		in.Devices = []Device{
			{Device: null(), Container: "/dev/nothing", Permissions: "rw"},
			{Device: hostfacts.Device{Path: "/dev/sda", Type: "b", Major: 8, Mode: 0o660, GID: 6}, Container: "/dev/disk", Permissions: "r"},
		}
	}},
	{"systemd on cgroup v1", v1, func(c *state.Config, in *Inputs) {
		c.Extras = &state.Extras{Systemd: true}
		in.SystemdCgroup, in.ContainerEnv = "/sys/fs/cgroup/systemd/skiff/0123", "/run/skiff/containers/0123/containerenv"
	}},
	{"systemd on cgroup v1 without its hierarchy", v1, func(c *state.Config, in *Inputs) {
		c.Extras = &state.Extras{Systemd: true}
	}},
	{"user namespace on the host's network", v2, func(c *state.Config, in *Inputs) {
		c.Network.Mode = "host"
		in.Host.UserNS, in.BareSys = true, true
	}},
	{"AppArmor and SELinux", v2, func(c *state.Config, in *Inputs) {
		in.Host.AppArmor, in.Host.AppArmorDefault, in.Host.SELinux = true, "skiff-default", true
		in.ProcessLabel, in.MountLabel = "p", "m"
	}},
}

func allLimits(c *state.Config, in *Inputs) {
	c.CgroupParent = "/parent"
	c.Resources = state.Resources{
		Memory: 64 << 20, MemorySwap: 128 << 20, MemoryReservation: 32 << 20, MemorySwappiness: ptr(int64(10)), OOMKillDisable: true,
		CPUShares: 512, NanoCPUs: 1_500_000_000, CpusetCpus: "0-1", CpusetMems: "0", PidsLimit: 99, BlkioWeight: 300,
		BlkioWeightDevice: []state.WeightDevice{{Path: "/dev/sda", Weight: 200}},
		DeviceReadBps:     []state.ThrottleDevice{{Path: "/dev/sda", Rate: 1 << 20}},
		DeviceWriteIOps:   []state.ThrottleDevice{{Path: "/dev/sda", Rate: 100}},
	}
	in.BlockDevices = map[string]hostfacts.Device{"/dev/sda": {Path: "/dev/sda", Type: "b", Major: 8, Weighted: true}}
}

// TestUnweighted: a device that cannot have a weight gets none, and the user is told.
func TestUnweighted(t *testing.T) {
	r := state.Resources{BlkioWeight: 200, BlkioWeightDevice: []state.WeightDevice{{Path: "/dev/sda", Weight: 300}}}
	blocks := map[string]hostfacts.Device{"/dev/sda": {Path: "/dev/sda", Type: "b", Major: 8}}
	var warned []string
	host := v1()
	host.Cgroup.BlkioWeight = true
	got, err := Limits(r, host, blocks, func(line string) { warned = append(warned, line) })
	if err != nil {
		t.Fatal(err)
	}
	if io := got.BlockIO; io == nil || *io.Weight != 200 || len(io.WeightDevice) != 0 || len(warned) != 1 {
		t.Errorf("got %+v, warnings %q", io, warned)
	}
}

func TestGoldens(t *testing.T) {
	for _, c := range goldens {
		t.Run(c.name, func(t *testing.T) {
			cfg, in := base(), inputs(c.host())
			var warnings []string
			in.Warn = func(line string) { warnings = append(warnings, line) }
			c.change(cfg, &in)
			s, err := Build(cfg, in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(struct {
				Warnings []string    `json:"warnings,omitempty"`
				Spec     *specs.Spec `json:"spec"`
			}{warnings, s}, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", strings.ReplaceAll(c.name, " ", "-")+".json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(bytes.TrimSpace(want), got) {
				t.Errorf("differs from %s (-update writes it):\n%s", file, got)
			}
		})
	}
}

func TestWhatCannotBeBuilt(t *testing.T) {
	for _, c := range []struct {
		name   string
		want   string
		host   func() hostfacts.Facts
		change func(c *state.Config, in *Inputs)
	}{
		{"no command", "no command is given and the image has none", v2, func(c *state.Config, in *Inputs) { c.Process.Entrypoint, c.Process.Cmd = nil, nil }},
		{"init without a program", "cannot use --init: there is no init program on this machine", v2, func(c *state.Config, in *Inputs) { c.Process.Init = true }},
		{"unknown ulimit", `cannot set ulimit "files": there is no such limit`, v2, func(c *state.Config, in *Inputs) { c.Ulimits = []state.Ulimit{{Name: "files"}} }},
		{"volume without directory", `cannot mount volume "v" on "/v": it has no directory`, v2, func(c *state.Config, in *Inputs) {
			c.Mounts = []state.Mount{{Type: "volume", Source: "v", Target: "/v"}}
		}},
		{"unknown option", `cannot mount "/a" on "/b": unknown option "nonsense"`, v2, func(c *state.Config, in *Inputs) {
			c.Mounts = []state.Mount{{Type: "bind", Source: "/a", Target: "/b", Options: []string{"nonsense"}}}
		}},
		{"capability that skiff lacks", `cannot add capability "CAP_SYS_RESOURCE": skiff itself does not have it here`, v1, func(c *state.Config, in *Inputs) {
			c.Security.CapAdd = []string{"sys_resource"}
			c.Security.Capabilities, _ = Capabilities(c.Security.CapAdd, nil, false)
		}},
		{"limit for an ordinary user without cgroups", "cannot set the limit --memory: this user has no such control group of its own (cgroup v2 with systemd gives it some)", userNS, func(c *state.Config, in *Inputs) { in.Rootless, c.Resources.Memory = true, 1<<20 }},
		{"processors on a machine that cannot limit them", "cannot set the limit --cpus: this machine has no cpu control group", bare, func(c *state.Config, in *Inputs) { c.Resources.NanoCPUs = 1e9 }},
		{"container that does not run", `cannot join the pid namespace of "x": it is not running`, v2, func(c *state.Config, in *Inputs) { c.Namespaces.Pid = "container:x" }},
		{"network sysctl on the host's network", `cannot set sysctl "net.core.somaxconn": the container uses the host's network`, v2, func(c *state.Config, in *Inputs) {
			c.Network.Mode, c.Sysctls = "host", map[string]string{"net.core.somaxconn": "1"}
		}},
		{"throttle of no block device", `cannot limit the block I/O of /dev/null: not a block device`, v2, func(c *state.Config, in *Inputs) {
			c.Resources.DeviceReadBps = []state.ThrottleDevice{{Path: "/dev/null", Rate: 1}}
			in.BlockDevices = map[string]hostfacts.Device{"/dev/null": null()}
		}},
		{"AppArmor profile without AppArmor", `cannot use the AppArmor profile "p": this machine has no AppArmor`, v2, func(c *state.Config, in *Inputs) { c.Security.AppArmor = "p" }},
		{"broken seccomp profile", "cannot read the seccomp profile: unexpected end of JSON input", v2, func(c *state.Config, in *Inputs) { c.Security.Seccomp = "{" }},
		{"user namespace", `cannot use the user namespace "auto": it was not made`, v2, func(c *state.Config, in *Inputs) {
			c.Namespaces.User, c.IDMaps = "auto", &state.IDMaps{}
		}},
		{"device with other permissions", `cannot give device "/dev/null": permissions "x" are not of r, w and m`, v2, func(c *state.Config, in *Inputs) {
			in.Devices = []Device{{Device: null(), Container: "/dev/null", Permissions: "x"}}
		}},
	} {
		cfg, in := base(), inputs(c.host())
		c.change(cfg, &in)
		if _, err := Build(cfg, in); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// bare is a machine with cgroup v2 and no controllers.
func bare() hostfacts.Facts {
	f := v2()
	f.Cgroup = hostfacts.Cgroup{Mode: hostfacts.CgroupV2, Controllers: []string{"devices", "freezer"}}
	return f
}

// TestLimitsThatAreDiscarded: one line for each option, none for what is only
// derived from one or a default.
func TestLimitsThatAreDiscarded(t *testing.T) {
	cfg, in := base(), inputs(bare())
	allLimits(cfg, &in)
	cfg.Resources.NanoCPUs = 0
	var got []string
	in.Warn = func(line string) { got = append(got, line) }
	s, err := Build(cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, w := range []string{
		"memory memory", "memory-reservation memory", "memory-swappiness memory", "oom-kill-disable memory",
		"cpu-shares cpu", "cpuset-cpus cpuset", "cpuset-mems cpuset", "pids-limit pids",
		"blkio-weight blkio", "blkio-weight-device blkio", "device-read-bps blkio", "device-write-iops blkio",
	} {
		option, controller, _ := strings.Cut(w, " ")
		want = append(want, "cannot set the limit --"+option+": this machine has no "+controller+" control group; the container runs without it")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if r := s.Linux.Resources; r.Memory != nil || r.CPU != nil || r.Pids != nil || r.BlockIO != nil {
		t.Errorf("limits are set: %+v", r)
	}
	got, cfg.Resources = nil, state.Resources{}
	if _, err := Build(cfg, in); err != nil || len(got) > 0 {
		t.Errorf("without a wish: %v, %q", err, got)
	}
}

func TestCapabilities(t *testing.T) {
	all := len(hostfacts.AllCapabilities())
	for _, c := range []struct {
		add, drop  []string
		privileged bool
		want       int // how many
		has        string
		hasNot     string
		err        string
	}{
		{want: 12, has: "CAP_NET_RAW", hasNot: "CAP_MKNOD"},
		{add: []string{"mknod"}, want: 13, has: "CAP_MKNOD"},
		{add: []string{"CAP_CHOWN"}, want: 12},
		{drop: []string{"all"}, want: 0},
		{add: []string{"chown"}, drop: []string{"ALL"}, want: 1, has: "CAP_CHOWN"},
		{add: []string{"ALL"}, drop: []string{"sys_admin"}, want: all - 1, hasNot: "CAP_SYS_ADMIN"},
		{drop: []string{"CHOWN"}, want: 11, hasNot: "CAP_CHOWN"},
		{privileged: true, want: all},
		{add: []string{"nonsense"}, err: `cannot add capability "nonsense": there is no such capability`},
		{drop: []string{"nonsense"}, err: `cannot drop capability "nonsense": there is no such capability`},
		{add: []string{"chown"}, drop: []string{"chown"}, err: `cannot both add and drop capability "CAP_CHOWN"`},
	} {
		got, err := Capabilities(c.add, c.drop, c.privileged)
		if err != nil || c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("add %v, drop %v: got %v, want %s", c.add, c.drop, err, c.err)
			}
			continue
		}
		text := " " + strings.Join(got, " ") + " "
		if len(got) != c.want || c.has != "" && !strings.Contains(text, " "+c.has+" ") || c.hasNot != "" && strings.Contains(text, " "+c.hasNot+" ") {
			t.Errorf("add %v, drop %v, privileged %v: got %v, want %d with %q without %q", c.add, c.drop, c.privileged, got, c.want, c.has, c.hasNot)
		}
	}
}

func TestResolveUser(t *testing.T) {
	const passwd = "root:x:0:0::/root:/bin/sh\nana:x:1000:1001::/home/ana:/bin/sh\n"
	const group = "root:x:0:\nstaff:x:1001:\nextra:x:1500:ana,bob\nmore:x:1600:ana\n"
	for _, c := range []struct {
		who   string
		extra []string
		want  User
		err   string
	}{
		{"", nil, User{Home: "/root"}, ""},
		{"ana", nil, User{1000, 1001, []uint32{1001, 1500, 1600}, "/home/ana"}, ""},
		{"1000", nil, User{1000, 1001, []uint32{1001, 1500, 1600}, "/home/ana"}, ""},
		{"ana:root", nil, User{1000, 0, []uint32{0}, "/home/ana"}, ""},
		{"7:8", nil, User{7, 8, []uint32{8}, "/"}, ""},
		{"7", []string{"staff", "99"}, User{7, 0, []uint32{0, 99, 1001}, "/"}, ""},
		{"nobody", nil, User{}, `cannot run as user "nobody": no matching entries in passwd file`},
		{"ana:nogroup", nil, User{}, `cannot run as user "ana:nogroup": no matching entries in group file`},
		{"ana", []string{"nogroup"}, User{}, `cannot add the groups ["nogroup"]: no matching entries in group file`},
		{"4294967296", nil, User{}, `cannot run as user "4294967296"`},
		{"-1", nil, User{}, `cannot run as user "-1"`},
	} {
		got, err := ResolveUser(strings.NewReader(passwd), strings.NewReader(group), c.who, c.extra)
		if c.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("%q: got %v, want %s", c.who, err, c.err)
			}
			continue
		}
		if a, b := mustJSON(got), mustJSON(c.want); err != nil || a != b {
			t.Errorf("%q %v: got %s, %v, want %s", c.who, c.extra, a, err, b)
		}
	}
	if got, err := ResolveUser(nil, nil, "5", nil); err != nil || got.UID != 5 || got.Home != "/" {
		t.Errorf("without files: got %+v, %v", got, err)
	}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
