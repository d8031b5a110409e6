package libpod

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"skiff/state"
)

func TestNotifier(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	for _, c := range []struct {
		name, mode, socket, exec, want string
	}{
		{"no service", "", "", "", ""},
		{"nobody", state.NotifyIgnore, path, "", ""},
		{"skiff by default", "", path, "", "MAINPID=7\nREADY=1"},
		{"the service's own process", "", path, strconv.Itoa(os.Getpid()), "MAINPID=7\nREADY=1"},
		{"somewhere in a service", "", path, "1", ""},
		{"somewhere in a service, asked for", state.NotifyConmon, path, "1", "MAINPID=7\nREADY=1"},
		{"the container", state.NotifyContainer, path, "", "MAINPID=7"},
	} {
		n, err := newNotifier(&state.Config{Notify: c.mode}, func(name string) string {
			return map[string]string{"NOTIFY_SOCKET": c.socket, "SYSTEMD_EXEC_PID": c.exec}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.spawned(7); err != nil {
			t.Error(err)
		}
		if err := n.started(7); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 99)
		manager.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		size, _ := manager.Read(buf)
		if string(buf[:size]) != c.want {
			t.Errorf("%s: got %q, want %q", c.name, buf[:size], c.want)
		}
	}
	_, err = newNotifier(&state.Config{Notify: state.NotifyConmon}, func(string) string { return "x" })
	if err == nil || !strings.HasPrefix(err.Error(), `cannot use NOTIFY_SOCKET="x"`) {
		t.Errorf("got %v", err)
	}
}
