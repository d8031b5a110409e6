package rootless

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Roles of the test binary when it is not the test.
const (
	roleVar = "SKIFF_TEST_ROLE"
	starter = "starter" // an ordinary user who calls Start
	started = "started" // what Start started
	joiner  = "joiner"  // see beJoiner
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case starter:
		beStarter()
	case started:
		beStarted()
	case joiner:
		beJoiner()
	default:
		os.Exit(m.Run())
	}
}

// beStarter starts itself in a user namespace and passes its output on.
func beStarter() {
	env := []string{roleVar + "=" + started, marker + "=77"}
	p, err := Start([]string{"/proc/self/exe", "a", "b c"}, env, []*os.File{nil, os.Stdout, os.Stderr},
		Options{Dir: "/", Setsid: true, Warn: func(s string) { fmt.Println("warning", s) }})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fds := []unix.PollFd{{Fd: int32(p.PidFD.Fd()), Events: unix.POLLIN}}
	unix.Poll(fds, 20000)
	st, err := p.Wait()
	fmt.Println("ended", st, err)
	os.Exit(0)
}

// beStarted tells what it is, and that it can do what takes root.
func beStarted() {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		return strings.Join(strings.Fields(string(b)), " ")
	}
	fmt.Println("ids", os.Getuid(), os.Getgid(), "outside", UID(), Inside())
	fmt.Println("args", strings.Join(os.Args[1:], "|"))
	fmt.Println("uid_map", read("/proc/self/uid_map"))
	fmt.Println("gid_map", read("/proc/self/gid_map"))
	for line := range strings.Lines(readRaw("/proc/self/status")) {
		if strings.HasPrefix(line, "CapEff") || strings.HasPrefix(line, "CapBnd") || strings.HasPrefix(line, "TracerPid") {
			fmt.Print(strings.ReplaceAll(line, ":\t", " "))
		}
	}
	user, _ := os.Readlink("/proc/self/ns/user")
	mounts, _ := os.Readlink("/proc/self/ns/mnt")
	fmt.Println("namespaces", user, mounts)
	fmt.Println("descriptors", descriptors(), "enter", os.Getenv(enterVar))
	sid, _ := unix.Getsid(0)
	fmt.Println("session", sid == os.Getpid())
	fmt.Println("mount", unix.Mount("tmpfs", "/mnt", "tmpfs", 0, ""), unix.Sethostname([]byte("x")) != nil)
	fmt.Println("chown", os.WriteFile("/mnt/f", nil, 0o600), os.Chown("/mnt/f", 1000, 1000))
	os.Exit(5)
}

// descriptors are the inherited ones of the first ten.
func descriptors() string {
	var open []string
	for fd := range 10 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			open = append(open, strconv.Itoa(fd))
		}
	}
	return strings.Join(open, " ")
}

func readRaw(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

// runAs runs the starter, or what else is said, as the user, with root's rights gone, and gives its output.
func runAs(t *testing.T, uid, gid int, role ...string) string {
	t.Helper()
	exe, err := os.Open("/proc/self/exe") // the test's directory is not the user's to enter
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	path := copyForAll(t, exe)
	cmd := exec.Command(path)
	cmd.Dir = "/"
	cmd.Env = []string{roleVar + "=" + append(role, starter)[0], "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s(%v)", out, err)
	return string(out)
}

func copyForAll(t *testing.T, exe io.Reader) string {
	t.Helper()
	f, err := os.CreateTemp("/var/tmp", "rootless-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	if _, err := io.Copy(f, exe); err != nil {
		t.Fatal(err)
	}
	f.Chmod(0o755)
	f.Close()
	return f.Name()
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
}

// addUser makes a user for the test, with subordinate ids as useradd gives them.
func addUser(t *testing.T) (uid, gid int) {
	t.Helper()
	for _, tool := range []string{"useradd", "newuidmap"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s (apt install passwd uidmap)", tool)
		}
	}
	name := "skiff-t" + strconv.Itoa(os.Getpid())
	if out, err := exec.Command("useradd", "--no-create-home", name).CombinedOutput(); err != nil {
		t.Fatalf("useradd: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("userdel", name).Run() })
	id := func(flag string) int {
		out, err := exec.Command("id", flag, name).Output()
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(string(bytes.TrimSpace(out)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return id("-u"), id("-g")
}

func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+got, "\n"+l) {
			t.Errorf("no line that begins with %q", l)
		}
	}
}

func allCaps() string {
	return fmt.Sprintf("%016x", uint64(1)<<len(allCapabilities())-1)
}

func TestStartWithSubordinateIDs(t *testing.T) {
	needRoot(t)
	uid, gid := addUser(t)
	m, err := MappingOf(uid, gid)
	if err != nil || m.Single() {
		t.Fatalf("useradd gave no subordinate ids: %+v %v", m, err)
	}
	flat := func(r []Range) string { return strings.Join(strings.Fields(format(r)), " ") }
	got := runAs(t, uid, gid)
	wantLines(t, got,
		fmt.Sprintf("ids 0 0 outside %d true", uid),
		"args a|b c",
		"uid_map "+flat(m.UIDs), "gid_map "+flat(m.GIDs),
		"CapEff "+allCaps(), "TracerPid 0", "session true",
		"mount <nil> true", "chown <nil> <nil>", "ended exit status 5 <nil>")
	if strings.Contains(got, "warning") {
		t.Error("warned without a reason")
	}
}

func TestStartWithoutSubordinateIDs(t *testing.T) {
	needRoot(t)
	const uid = 54321
	got := runAs(t, uid, uid)
	wantLines(t, got, "warning user 54321 has no range", "ids 0 0 outside 54321 true",
		"uid_map 0 54321 1", "gid_map 0 54321 1", "mount <nil>", "CapEff "+allCaps(), "ended exit status 5 <nil>")
}

// TestStartDisabled takes user namespaces away from a child only: the limit is
// that of the user namespace it is set in.
func TestStartDisabled(t *testing.T) {
	needRoot(t)
	path := copyForAll(t, mustOpen(t, "/proc/self/exe"))
	maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 300000, Size: 2000}}
	cmd := exec.Command("/bin/sh", "-c", `echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --reuid 1000 --regid 1000 --clear-groups "$0"`, path)
	cmd.Env = []string{roleVar + "=" + starter, "PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: maps, GidMappings: maps,
		GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{}}
	out, _ := cmd.CombinedOutput()
	if want := "error user namespaces are disabled on this machine (sysctl user.max_user_namespaces is 0)"; !strings.Contains(string(out), want) {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestStartWithoutMapper(t *testing.T) {
	needRoot(t)
	uid, gid := addUser(t)
	t.Setenv("PATH", "/nonexistent")
	got := runAs(t, uid, gid)
	wantLines(t, got, "error cannot map the subordinate ids: newuidmap is not installed (apt install uidmap")
}

func mustOpen(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
