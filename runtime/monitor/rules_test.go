package monitor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newsSocket makes a socket that stands for that of nf_tables' news, to which anybody
// may send, and writes its address to a file.
func newsSocket(file string) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_USERSOCK)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return -1, err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return -1, err
	}
	return fd, os.WriteFile(file, []byte(strconv.Itoa(int(sa.(*unix.SockaddrNetlink).Pid))), 0o600)
}

// tell sends news to a box's monitor.
func (b *box) tell() {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.fakeDir(), "news"))
	if err != nil {
		b.t.Fatal(err)
	}
	port, err := strconv.Atoi(string(text))
	if err != nil {
		b.t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_USERSOCK)
	if err != nil {
		b.t.Fatal(err)
	}
	defer unix.Close(fd)
	for range 3 { // news come in several pieces
		if err := unix.Sendto(fd, make([]byte, 500), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: uint32(port)}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// watching starts a container that runs until stdin is closed.
func watching(t *testing.T, f fake) *box {
	t.Helper()
	f.Script = "read x"
	b := newBox(t, f)
	b.launch.OpenStdin, b.launch.StdinOnce, b.launch.Attach = true, true, everything
	s := b.start()
	t.Cleanup(func() { s.CloseStdin(); b.run(s) })
	return b
}

// settles waits until the number of reloads of all boxes is n for a while.
func settles(t *testing.T, n int, all ...*box) {
	t.Helper()
	count := func() (sum int) {
		for _, b := range all {
			sum += b.lines("reloads")
		}
		return sum
	}
	for deadline := time.Now().Add(10 * time.Second); count() < n && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(2 * time.Second) // more than it takes those who would come late
	if got := count(); got != n {
		t.Errorf("rules were restored %d times, not %d", got, n)
	}
}

func TestNewsHaveTheRulesRestoredOnce(t *testing.T) {
	dir := t.TempDir()
	var all []*box
	for range 5 {
		all = append(all, watching(t, fake{Watch: dir, Reload: "sleep 0.3"}))
	}
	var wg sync.WaitGroup
	for _, b := range all {
		wg.Go(b.tell)
	}
	wg.Wait()
	settles(t, 1, all...)
	all[3].tell()
	settles(t, 2, all...)
}

// What is told while the rules are being restored may be lost to that.
func TestNewsWhileRestoring(t *testing.T) {
	b := watching(t, fake{Watch: t.TempDir(), Reload: "sleep 0.5"})
	b.tell()
	for b.lines("reloads") == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	b.tell()
	settles(t, 2, b)
}

func TestRestoringThatFailsIsTriedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "once")
	b := watching(t, fake{Watch: t.TempDir(), Reload: fmt.Sprintf("test -e %[1]s || { touch %[1]s; exit 1; }", file)})
	b.tell()
	for deadline := time.Now().Add(10 * time.Second); b.lines("reloads") < 2 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	settles(t, 2, b)
}

func TestMoreDescriptorsThanFitIntoAFrame(t *testing.T) {
	f := fake{Script: "read x", Reserve: true, Many: 700, Watch: t.TempDir()}
	b := newBox(t, f)
	b.launch.OpenStdin, b.launch.StdinOnce, b.launch.Attach = true, true, everything
	s := b.start()
	links, err := filepath.Glob("/proc/" + itoa(s.Status().Monitor) + "/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, l := range links {
		if to, _ := os.Readlink(l); strings.HasPrefix(to, "/memfd:") {
			held++
		}
	}
	if held != 701 {
		t.Errorf("the monitor holds %d descriptors, not 701", held)
	}
	b.tell() // the first one is still that of the news
	settles(t, 1, b)
	s.CloseStdin()
	b.run(s)
}
