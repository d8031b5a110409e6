package netsetup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"skiff/netsetup/userport"
	"skiff/state"
)

func needPasta(t *testing.T) {
	t.Helper()
	if _, err := userport.Check(""); err != nil {
		t.Skip(err)
	}
}

// pastas lists the running pasta processes that have the word in their
// arguments.
func pastas(t *testing.T, word string) string {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "stat,args").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "--config-net") && strings.Contains(line, word) && !strings.HasPrefix(line, "Z") {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func TestPasta(t *testing.T) {
	h := newHost(t)
	needPasta(t)
	run("ip", "route", "add", "default", "via", "198.51.100.9")
	ports := []state.Port{{HostIP: "127.0.0.1", HostPort: 8081, ContainerPort: 80, Protocol: "tcp"}, {ContainerPort: 81, Protocol: "tcp"}}
	b, err := h.start(state.Network{Mode: state.ModePasta, Ports: ports})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, b.ns, "tcp", ":80")
	serve(t, b.ns, "tcp", ":81")
	serve(t, h.outside, "tcp4", ":99")
	if b.ip != "198.51.100.1" || b.res.Status.Ports[1].HostPort == 0 {
		t.Errorf("status %+v", b.res.Status)
	}
	if got, err := ask(nil, "tcp", "127.0.0.1:8081"); err != nil || got == "" {
		t.Errorf("published port: %q, %v", got, err)
	}
	// Debian 12's pasta stalls one in some connections on recent kernels, whoever
	// starts it; what counts is the address that the server sees.
	eventually(t, func() string {
		got, err := ask(h.outside, "tcp", addrPort("198.51.100.1", b.res.Status.Ports[1].HostPort))
		if got == "198.51.100.2" {
			return ""
		}
		return fmt.Sprintf("server sees %q, %v", got, err)
	})
	sees(t, "on one address only", h.outside, "tcp", "198.51.100.1:8081", "")
	sees(t, "out", b.ns, "tcp", "198.51.100.2:99", "198.51.100.1")

	_, err = h.start(state.Network{Mode: state.ModePasta, Ports: ports[:1]})
	if !errors.Is(err, ErrPortInUse) {
		t.Errorf("a port that is in use: %v", err)
	}
	for _, f := range b.res.Teardown.Files {
		if err := os.Remove(f); err != nil {
			t.Error(err)
		}
	}
	eventually(t, func() string { return pastas(t, b.id) })
}

// eventually waits until what is left is nothing.
func eventually(t *testing.T, left func() string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s := left()
		if s == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still there: %s", s)
		}
	}
}
