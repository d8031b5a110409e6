package sandbox_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"skiff/runtime/hostfacts"
	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/state"
)

func TestExitStatusIsTheProgramsOwn(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "sleep 100 & kill -9 $!; wait $!": 137} {
		if _, code := newBox(t, "sh", "-c", script).run(); code != want {
			t.Errorf("%q: status %d, want %d", script, code, want)
		}
	}
}

func TestKilledFirstProcessGives128AndTheSignal(t *testing.T) {
	sb := newBox(t, "sleep", "1000").start()
	if err := sb.Signal(9); err != nil {
		t.Fatal(err)
	}
	if code, err := sb.Wait(); code != 137 || err != nil {
		t.Errorf("status %d, %v, want 137", code, err)
	}
}

func TestProgramThatCannotStart(t *testing.T) {
	for _, c := range []struct {
		program string
		kind    error
		text    string
	}{
		{"nonsense", sandbox.ErrNotFound, `exec: "nonsense": executable file not found in $PATH`},
		{"/bin/nonsense", sandbox.ErrNotFound, `exec: "/bin/nonsense": no such file or directory`},
		{"/etc/plain", sandbox.ErrNotExecutable, `exec: "/etc/plain": permission denied`},
		{"/etc", sandbox.ErrNotExecutable, `exec: "/etc": is a directory`},
	} {
		_, err := newBox(t, c.program).create()
		// Other runtimes say it in their own words.
		if !errors.Is(err, c.kind) || err.Error() != c.text && os.Getenv("SKIFF_TEST_RUNTIME") == "" {
			t.Errorf("%s: got %v, want %s", c.program, err, c.text)
		}
	}
}

func TestStartThatFailsLeavesNothing(t *testing.T) {
	b := newBox(t, "true")
	b.cfg.Mounts = []state.Mount{{Type: state.MountBind, Source: "/nonexistent/source", Target: "/mnt"}}
	if _, err := b.create(); err == nil || !strings.Contains(err.Error(), "/nonexistent/source") {
		t.Errorf("got %v, want an error that names the source", err)
	}
	// newBox's clean-up checks cgroups and state.
}

func TestUserOfTheContainer(t *testing.T) {
	b := newBox(t, "id")
	b.in.User = spec.User{UID: 1000, GID: 1001, Groups: []uint32{1500}, Home: "/home/ana"}
	b.want("uid=1000(ana) gid=1001(staff) groups=1500(extra)")

	b = newBox(t, "sh", "-c", "echo $HOME $HOSTNAME; pwd; hostname")
	b.in.User.Home = "/home/ana"
	b.cfg.Hostname, b.cfg.Process.Cwd = "box", "/new/dir"
	b.want("/home/ana box\n/new/dir\nbox")
}

func TestLimitsAreInTheCgroup(t *testing.T) {
	b := newBox(t, "sleep", "1000")
	if !b.in.Host.Cgroup.Has("memory") || !b.in.Host.Cgroup.Has("pids") {
		t.Skip("this machine has no memory or pids cgroup")
	}
	b.cfg.Resources = state.Resources{Memory: 64 << 20, NanoCPUs: 500_000_000, CPUShares: 512, PidsLimit: 33}
	sb := b.start()
	v2 := b.in.Host.Cgroup.V2()
	for _, c := range []struct{ v1, want1, v2, want2 string }{
		{"memory.limit_in_bytes", "67108864", "memory.max", "67108864"},
		{"cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000"},
		{"cpu.shares", "512", "cpu.weight", ""},
		{"pids.max", "33", "pids.max", "33"},
	} {
		name, want := c.v1, c.want1
		if v2 {
			name, want = c.v2, c.want2
		}
		if got := cgroupFile(sb, name); want != "" && got != want || got == "" {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(sb.OOMFiles()) != 1 {
		t.Errorf("OOM files %v, want one", sb.OOMFiles())
	}

	r, err := spec.Limits(state.Resources{Memory: 128 << 20, PidsLimit: 44}, b.in.Host, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sandbox.Load(b.opts.StateRoot, b.cfg.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Update(r); err != nil {
		t.Fatal(err)
	}
	if got := cgroupFile(sb, "pids.max"); got != "44" {
		t.Errorf("after the update pids.max is %q, want 44", got)
	}
	if v2 {
		return
	}
	if got := cgroupFile(sb, "memory.limit_in_bytes"); got != "134217728" {
		t.Errorf("after the update the memory limit is %q, want 134217728", got)
	}
	if got := cgroupFile(sb, "cpu.shares"); got != "512" {
		t.Errorf("after the update cpu.shares is %q, want 512 still", got)
	}
}

// cgroupFile reads a file of the sandbox's cgroups, empty if none has it.
func cgroupFile(sb *sandbox.Sandbox, name string) string {
	for _, dir := range sb.Cgroups() {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

func TestPidsLimitStopsForks(t *testing.T) {
	b := newBox(t, "sh", "-c", "i=0; while [ $i -lt 30 ]; do sleep 5 & i=$((i+1)); done; echo all")
	if !b.in.Host.Cgroup.Has("pids") {
		t.Skip("this machine has no pids cgroup")
	}
	b.cfg.Resources.PidsLimit = 10
	out, code := b.run()
	if code == 0 || !strings.Contains(out, "fork") {
		t.Errorf("got %q, status %d, want a failing fork", out, code)
	}
}

func TestMemoryLimitKills(t *testing.T) {
	b := newBox(t, "awk", `BEGIN { s = "xxxxxxxxxxxxxxxx"; while (1) s = s s }`)
	if !b.in.Host.Cgroup.Has("memory") {
		t.Skip("this machine has no memory cgroup")
	}
	b.cfg.Resources.Memory = 32 << 20
	b.cfg.Resources.MemorySwap = 32 << 20
	sb, err := b.create()
	if err != nil {
		t.Fatal(err)
	}
	files := sb.OOMFiles()
	if len(files) != 1 {
		t.Fatalf("OOM files %v, want one", files)
	}
	count := oomCount(t, files[0])
	if err := sb.Start(); err != nil {
		t.Fatal(err)
	}
	if code, _ := sb.Wait(); code != 137 {
		t.Errorf("status %d, want 137", code)
	}
	if text := count(); !strings.Contains(text, "oom_kill 1") {
		t.Errorf("%s says %q, want one kill", files[0], text)
	}
}

// oomCount watches a file of OOMFiles and gives what it said last. On v2 that
// has to be read when it changes: systemd removes the cgroup, and the file with
// it, when the last process has ended. On v1 nothing tells of changes.
func oomCount(t *testing.T, file string) func() string {
	t.Helper()
	read := func() string { b, _ := os.ReadFile(file); return string(b) }
	if filepath.Base(file) == "memory.oom_control" {
		return read
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	watch := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, file, unix.IN_MODIFY); err != nil {
		t.Fatal(err)
	}
	last := make(chan string, 1)
	go func() {
		text := ""
		for !strings.Contains(text, "oom_kill 1") {
			if _, err := watch.Read(make([]byte, 4096)); err != nil {
				break
			}
			text = read()
		}
		watch.Close()
		last <- text
	}()
	return func() string { return <-last }
}

func TestCapabilitiesAndNoNewPrivileges(t *testing.T) {
	b := newBox(t, "grep", "-E", "CapEff|CapBnd|NoNewPrivs", "/proc/self/status")
	b.cfg.Security.NoNewPrivileges = true
	b.want("CapEff:\t00000000800425fb\nCapBnd:\t00000000800425fb\nNoNewPrivs:\t1")

	b = newBox(t, "grep", "CapEff", "/proc/self/status")
	b.cfg.Security.Capabilities = []string{"CAP_CHOWN"}
	b.want("CapEff:\t0000000000000001")
}

func TestPrivilegedHasWhatTheHostHas(t *testing.T) {
	b := newBox(t, "sh", "-c", "grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; touch /sys/fs/cgroup/x 2>/dev/null; test -c /dev/full && head -c1 /proc/timer_list | wc -c")
	b.cfg.Security.Privileged = true
	b.cfg.Security.Capabilities, _ = spec.Capabilities(nil, nil, true)
	var err error
	if b.in.HostDevices, err = hostfacts.DevicesBelow("/dev"); err != nil {
		t.Fatal(err)
	}
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "CapBnd:\t")
	mask, _, _ := strings.Cut(rest, "\n")
	b.want("CapEff:\t" + mask + "\nSeccomp:\t0\n1")
}

func TestSeccompFiltersSystemCalls(t *testing.T) {
	b := newBox(t, "sh", "-c", "grep Seccomp: /proc/self/status; unshare -U true 2>&1")
	out, code := b.run()
	if code == 0 || !strings.Contains(out, "Seccomp:\t2") || !strings.Contains(out, "Operation not permitted") {
		t.Errorf("got %q, status %d, want a filter that refuses unshare", out, code)
	}
	b = newBox(t, "unshare", "-U", "true")
	b.cfg.Security.Seccomp = "unconfined"
	if out, code := b.run(); code != 0 {
		t.Errorf("unconfined: got %q, status %d", out, code)
	}
	b = newBox(t, "mkdir", "/tmp/x")
	b.cfg.Security.Seccomp = `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}`
	if out, code := b.run(); code == 0 || !strings.Contains(out, "No space left") {
		t.Errorf("own profile: got %q, status %d", out, code)
	}
}

func TestReadOnlyRootWithTmpfs(t *testing.T) {
	b := newBox(t, "sh", "-c", "touch /x 2>&1; touch /tmp/y && touch /run/z && ls /tmp")
	b.cfg.ReadOnly, b.cfg.ReadOnlyTmpfs = true, true
	write(t, filepath.Join(b.in.Rootfs, "tmp/from-image"), "", 0o644)
	b.want("touch: /x: Read-only file system\nfrom-image\ny")
}

func TestSysctlsAndPaths(t *testing.T) {
	b := newBox(t, "sh", "-c", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/msgmax; head -c1 /proc/timer_list | wc -c; touch /proc/sys/kernel/msgmax 2>&1")
	b.cfg.Sysctls = map[string]string{"kernel.msgmax": "12345"}
	out, _ := b.run()
	want := "0\n0\t2147483647\n12345\n0\ntouch: /proc/sys/kernel/msgmax: Read-only file system\n"
	if out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestUlimits(t *testing.T) {
	b := newBox(t, "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c")
	b.cfg.Ulimits = []state.Ulimit{{Name: "nofile", Soft: 123, Hard: 456}, {Name: "core", Soft: 0, Hard: 0}}
	b.want("123\n456\n0")

	b = newBox(t, "sh", "-c", "ulimit -Hn")
	b.cfg.Ulimits = []state.Ulimit{{Name: "nofile", Soft: -1, Hard: 1 << 30}}
	if b.in.Host.CanRaise {
		t.Skip("this process may raise limits")
	}
	b.want(strconv.FormatUint(b.in.Host.Rlimits["nofile"].Hard, 10))
}

func TestMountsOfTheUser(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "content\n", 0o644)
	b := newBox(t, "sh", "-c", "cat /a/file; touch /a/new 2>&1; touch /b/new && echo ok; mount | grep ' /c ' ; cat /etc/hosts")
	b.cfg.Mounts = []state.Mount{
		{Type: state.MountBind, Source: dir, Target: "/a", ReadOnly: true},
		{Type: state.MountVolume, Source: "v", Target: "/b"},
		{Type: state.MountTmpfs, Target: "/c", Options: []string{"size=4096k", "exec", "mode=700"}},
	}
	b.in.Sources = map[string]string{"/b": t.TempDir()}
	b.in.Hosts = filepath.Join(dir, "hosts")
	write(t, b.in.Hosts, "1.2.3.4 x\n", 0o644)
	out, _ := b.run()
	for _, want := range []string{"content\n", "/a/new: Read-only", "ok\n", "tmpfs on /c type tmpfs (rw,nosuid,nodev,relatime,size=4096k,mode=700", "1.2.3.4 x"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %q, want it to contain %q", out, want)
		}
	}
}

func TestDevices(t *testing.T) {
	d, err := hostfacts.DeviceAt("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t, "sh", "-c", "head -c 2 /dev/mine | wc -c; echo x >/dev/mine 2>&1 || echo refused; mknod /tmp/kmsg c 1 11 2>&1; ls /dev")
	b.in.Devices = []spec.Device{{Device: d, Container: "/dev/mine", Permissions: "r"}}
	out, _ := b.run()
	for _, want := range []string{"2\n", "fd\nfull\nmine\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %q, want it to contain %q", out, want)
		}
	}
}

func TestNamespacesOfTheHost(t *testing.T) {
	host := func(kind string) string { l, _ := os.Readlink("/proc/self/ns/" + kind); return l }
	b := newBox(t, "sh", "-c", "for n in pid ipc uts net; do readlink /proc/self/ns/$n; done")
	b.cfg.Namespaces = state.Namespaces{Pid: "host", Ipc: "host", Uts: "host"}
	b.cfg.Network.Mode = "host"
	b.want(strings.Join([]string{host("pid"), host("ipc"), host("uts"), host("net")}, "\n"))

	out, _ := newBox(t, "sh", "-c", "for n in pid ipc uts net mnt; do readlink /proc/self/ns/$n; done; echo $$").run()
	for _, kind := range []string{"pid", "ipc", "uts", "net", "mnt"} {
		if strings.Contains(out, host(kind)) {
			t.Errorf("the container shares the host's %s namespace", kind)
		}
	}
	if !strings.HasSuffix(out, "\n1\n") {
		t.Errorf("got %q, want the process id 1", out)
	}
}

func TestJoinedNamespaces(t *testing.T) {
	a := newBox(t, "sleep", "1000")
	pid := strconv.Itoa(a.start().Pid())
	b := newBox(t, "sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/pid; ps | grep -c 'sleep 1000'")
	b.cfg.Network.Mode, b.cfg.Namespaces.Pid = "container:a", "container:a"
	b.in.Join = spec.Join{Net: "/proc/" + pid + "/ns/net", Pid: "/proc/" + pid + "/ns/pid"}
	net, _ := os.Readlink(b.in.Join.Net)
	pidNS, _ := os.Readlink(b.in.Join.Pid)
	out, _ := b.run()
	if !strings.HasPrefix(out, net+"\n"+pidNS+"\n") || strings.HasSuffix(out, "\n0\n") {
		t.Errorf("got %q, want the namespaces %s and %s and the other's process", out, net, pidNS)
	}
}

func TestHostPidNamespaceLeavesNoProcess(t *testing.T) {
	b := newBox(t, "sh", "-c", "sleep 12345 & exec sleep 12345")
	b.cfg.Namespaces.Pid = "host"
	sb := b.start()
	eventually(t, "two processes", func() bool { pids, _ := sb.Pids(); return len(pids) == 2 })
	pids, _ := sb.Pids()
	if err := sb.Destroy(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
			t.Errorf("process %d still runs: %s", pid, stat)
		}
	}
}

func TestSpecOfTheSandboxIsNotChanged(t *testing.T) {
	b := newBox(t, "true")
	b.want("")
	if b.opts.Spec.Root.Path != b.in.Rootfs || b.opts.Spec.Version != specs.Version {
		t.Error("the specification was changed")
	}
}

func TestSharedMemoryOfAJoinedNamespace(t *testing.T) {
	a := newBox(t, "sh", "-c", "echo shared > /dev/shm/x; exec sleep 1000")
	sb := a.start()
	b := newBox(t, "sh", "-c", "readlink /proc/self/ns/ipc; cat /dev/shm/x; echo y > /dev/shm/y")
	pid := strconv.Itoa(sb.Pid())
	b.cfg.Namespaces.Ipc = "container:a"
	b.in.Join.IPC, b.in.Shm = "/proc/"+pid+"/ns/ipc", t.TempDir()
	eventually(t, "the file of the first container", func() bool {
		_, err := os.Stat(sb.Root() + "/dev/shm/x")
		return err == nil
	})
	if err := sb.MountFrom("/dev/shm", b.in.Shm); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(b.in.Shm, unix.MNT_DETACH) })
	ns, _ := os.Readlink(b.in.Join.IPC)
	b.want(ns + "\nshared")
	if text, err := os.ReadFile(sb.Root() + "/dev/shm/y"); string(text) != "y\n" {
		t.Errorf("the first container sees %q, %v", text, err)
	}
	if err := sb.MountFrom("/etc", b.in.Shm); !errors.Is(err, sandbox.ErrNotShared) {
		t.Errorf("a directory that is no tmpfs: got %v", err)
	}
}

func TestStats(t *testing.T) {
	b := newBox(t, "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; head -c 3000000 /dev/zero > /tmp/f; echo done; exec sleep 1000")
	if !b.in.Host.Cgroup.Has("memory") || !b.in.Host.Cgroup.Has("pids") {
		t.Skip("this machine has no memory or pids cgroup")
	}
	b.cfg.Resources = state.Resources{Memory: 64 << 20, PidsLimit: 33}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b.opts.Stdout = w
	sb := b.start()
	w.Close()
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	st, err := sb.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if st.CPU == 0 || st.Memory == 0 || st.Memory > 64<<20 || st.MemoryLimit != 64<<20 || st.Pids != 1 || st.PidsLimit != 33 {
		t.Errorf("got %+v", st)
	}
}
