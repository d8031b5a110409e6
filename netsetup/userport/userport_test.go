package userport

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"skiff/state"
)

func TestArgs(t *testing.T) {
	ports := []state.Port{
		{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"},
		{HostIP: "127.0.0.1", HostPort: 53, ContainerPort: 5353, Protocol: "udp"},
		{HostIP: "::1", HostPort: 81, ContainerPort: 81, Protocol: "tcp"},
	}
	base := Config{Marker: "/run/x/netns", Interface: "eth0"}
	with := func(c Config, change func(*Config)) Config { change(&c); return c }
	for _, c := range []struct {
		name, want string
		cfg        Config
		host       bool
	}{
		{"nothing published",
			"--config-net -I eth0 --mtu 65520 -t none -u none -T none -U none --dns-forward 169.254.1.1 --no-map-gw --quiet --netns /run/x/netns",
			base, false},
		{"ports, the host's address, root",
			"--config-net -I eth0 --mtu 65520 -t 8080:80 -u 127.0.0.1/53:5353 -t ::1/81:81 -T none -U none --dns-forward 169.254.1.1 --no-map-gw --map-guest-addr 169.254.1.2 --runas 0:0 --quiet --netns /run/x/netns",
			with(base, func(c *Config) { c.Ports, c.Root = ports, true }), true},
		{"the user's options win",
			"--config-net -t auto --mtu=1500 -T 22 --dns-forward 10.0.0.1 -I eth0 -u none -U none --quiet --netns /run/x/netns",
			with(base, func(c *Config) {
				c.Options = []string{"-t", "auto", "--mtu=1500", "-T", "22", "--dns-forward", "10.0.0.1", "--map-gw"}
			}), false},
	} {
		got, err := Args(c.cfg, c.host)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.name, err, strings.Join(got, " "), c.want)
		}
	}
	if _, err := Args(with(base, func(c *Config) { c.Ports = []state.Port{{HostPort: 1, ContainerPort: 1, Protocol: "sctp"}} }), false); err == nil {
		t.Error("sctp was taken")
	}
}

func TestNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Check("")
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "apt install passt") {
		t.Errorf("got %v", err)
	}
}

func TestReason(t *testing.T) {
	fail := exec.Command("false").Run()
	for out, want := range map[string]string{
		"Failed to send 9 bytes to syslog\nFailed to bind port 80\nFailed to send 46 bytes to syslog\n": "Failed to bind port 80",
		"": "exit status 1",
	} {
		if got := reason([]byte(out), fail); got != want {
			t.Errorf("%q: got %q want %q", out, got, want)
		}
	}
}

// A pasta that fails, and one that never gets ready, leave nothing behind.
func TestPastaThatFails(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a mount namespace")
	}
	if _, err := Check("/bin/false"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "pasta")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho 'no route' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ns, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	marker := filepath.Join(dir, "netns")
	_, err = Start(t.Context(), Config{Path: script, NS: int(ns.Fd()), Marker: marker, Interface: "eth0"})
	if err == nil || err.Error() != "cannot start pasta: no route" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(marker); err == nil {
		t.Error("the marker is left")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), marker) {
		t.Error("the mount got out")
	}
}
