package monitor_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
)

// TestNoticesAreRelayed: what a container may say reaches the service manager,
// in order, and nothing else does.
func TestNoticesAreRelayed(t *testing.T) {
	b := newBox(t, fake{Script: "exec sleep 60"})
	path := filepath.Join(t.TempDir(), "manager")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	b.launch.NotifySocket = path
	s := b.start()
	dir, err := os.Open(b.c.Notify()) // the whole path is too long for an address
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	inside, err := net.Dial("unixgram", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), dirs.NotifySocket))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	for _, m := range []string{
		"MAINPID=1\nFDSTORE=1\nnonsense", strings.Repeat("STATUS=x\n", 500), "READY=1", "BARRIER=1", "STATUS=busy\nMAINPID=1\nWATCHDOG=1\n",
	} {
		if _, err := inside.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	manager.SetReadDeadline(time.Now().Add(10 * time.Second))
	for _, want := range []string{"READY=1\n", "STATUS=busy\nWATCHDOG=1\n"} {
		buf := make([]byte, 8192)
		n, err := manager.Read(buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("got %q (%v), want %q", buf[:n], err, want)
		}
	}
	unix.Kill(s.Status().Pid, unix.SIGTERM)
	b.run(s)
}
