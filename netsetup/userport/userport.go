// Package userport gives a container a network without any right on the host:
// pasta (https://passt.top) connects its namespace to the host's sockets.
//
// pasta ends by itself when the file that names the namespace is removed, so
// taking it down is data, too. Not here: choosing ports.
package userport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
	"skiff/state/thread"
)

const (
	// DNSForward is the address at which pasta answers for the host's name server.
	DNSForward = "169.254.1.1"
	// HostAddress is the address at which containers reach the host's loopback.
	HostAddress = "169.254.1.2"
	// mtu is the largest that pasta takes; anything less costs throughput.
	mtu = 65520
	// patience bounds the time until pasta is ready.
	patience = 15 * time.Second
)

// ErrUnavailable: this host cannot run pasta.
var ErrUnavailable = errors.New("pasta cannot be used")

// Config says what to connect.
type Config struct {
	// Path of pasta; empty means that it is looked up.
	Path string
	// NS is a descriptor of the network namespace.
	NS int
	// Marker is the file that pasta lives as long as. It is made by Start.
	Marker string
	// Interface is the device's name in the namespace.
	Interface string
	// Ports have their host ports chosen.
	Ports []state.Port
	// Options are the user's, see state.Network.
	Options []string
	// Root says that the caller is root of the whole machine: pasta would become
	// nobody, who may not enter the namespace.
	Root bool
}

// Args are pasta's arguments. hostAddress asks for HostAddress, which pasta
// knows since its version of 2024-08-14.
func Args(c Config, hostAddress bool) ([]string, error) {
	args := append([]string{"--config-net"}, c.Options...)
	given := func(names ...string) bool {
		for _, a := range args {
			for _, n := range names {
				if a == n || strings.HasPrefix(a, n+"=") {
					return true
				}
			}
		}
		return false
	}
	tcp, udp := given("-t", "--tcp-ports"), given("-u", "--udp-ports")
	if !given("-I", "--ns-ifname") {
		args = append(args, "-I", c.Interface)
	}
	if !given("-m", "--mtu") {
		args = append(args, "--mtu", strconv.Itoa(mtu))
	}
	for _, p := range c.Ports {
		flag := "-t"
		switch p.Protocol {
		case "tcp":
			tcp = true
		case "udp":
			flag, udp = "-u", true
		default:
			return nil, fmt.Errorf("cannot publish port %d/%s: pasta forwards tcp and udp only", p.HostPort, p.Protocol)
		}
		spec := fmt.Sprintf("%d:%d", p.HostPort, p.ContainerPort)
		if p.HostIP != "" {
			spec = p.HostIP + "/" + spec
		}
		args = append(args, flag, spec)
	}
	none := func(wanted bool, flag string) {
		if !wanted {
			args = append(args, flag, "none")
		}
	}
	none(tcp, "-t")
	none(udp, "-u")
	none(given("-T", "--tcp-ns"), "-T")
	none(given("-U", "--udp-ns"), "-U")
	if !given("--dns-forward") {
		args = append(args, "--dns-forward", DNSForward)
	}
	if i := index(args, "--map-gw"); i >= 0 { // Podman's way to say it; pasta has no such option
		args = append(args[:i], args[i+1:]...)
	} else {
		args = append(args, "--no-map-gw")
	}
	if hostAddress && !given("--map-guest-addr") {
		args = append(args, "--map-guest-addr", HostAddress)
	}
	if c.Root {
		args = append(args, "--runas", "0:0")
	}
	return append(args, "--quiet", "--netns", c.Marker), nil
}

func index(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}

// Check reports in one line why pasta cannot be used; nil if it can.
func Check(path string) (string, error) {
	if path == "" {
		var err error
		if path, err = exec.LookPath("pasta"); err != nil {
			return "", fmt.Errorf("%w: it is not installed (apt install passt, or use --network none or host)", ErrUnavailable)
		}
	}
	// pasta waits without end for a device that it may not open.
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("%w: /dev/net/tun: %v (chmod 666 /dev/net/tun as root, or use --network none or host)", ErrUnavailable, err)
	}
	unix.Close(fd)
	return path, nil
}

// Start runs pasta and waits until the namespace is connected. hostAddress says
// whether the container reaches the host at HostAddress.
//
// Postconditions: on error pasta is gone, and so is the marker.
func Start(ctx context.Context, c Config) (hostAddress bool, err error) {
	if c.Path, err = Check(c.Path); err != nil {
		return false, err
	}
	f, err := os.OpenFile(c.Marker, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return false, fmt.Errorf("cannot start pasta: %w", err)
	}
	f.Close()
	defer func() {
		if err != nil {
			os.Remove(c.Marker)
		}
	}()
	for _, hostAddress = range []bool{true, false} {
		args, err := Args(c, hostAddress)
		if err != nil {
			return false, err
		}
		out, err := run(ctx, c, args)
		if err == nil {
			return hostAddress, nil
		}
		if !hostAddress || !bytes.Contains(out, []byte("map-guest-addr")) {
			return false, fmt.Errorf("cannot start pasta: %s", reason(out, err))
		}
	}
	return false, err
}

// run runs pasta until it goes into the background. It does so in a mount
// namespace where the marker is the network namespace: pasta gives up the right
// to follow a path below another process's /proc.
func run(ctx context.Context, c Config, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	messages, err := os.OpenFile(filepath.Dir(c.Marker), unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer messages.Close()
	thread.Run(func() (restored bool) {
		if err = enterMarked(c); err != nil {
			return false
		}
		cmd := exec.CommandContext(ctx, c.Path, args...)
		cmd.Stdout, cmd.Stderr, cmd.Dir = messages, messages, "/"
		err = cmd.Run()
		return false
	})
	if ctx.Err() != nil {
		err = fmt.Errorf("it was not ready after %v", patience)
	}
	out := make([]byte, 8<<10)
	n, _ := messages.ReadAt(out, 0)
	return out[:n], err
}

// enterMarked takes the calling thread into a mount namespace where the marker is
// the network namespace.
func enterMarked(c Config) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	ns := "/proc/self/fd/" + strconv.Itoa(c.NS)
	if err := unix.Mount(ns, c.Marker, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot mount the network namespace: %w", err)
	}
	return nil
}

// reason picks what pasta said from its output, which on hosts without syslog
// is full of complaints about that.
func reason(out []byte, err error) string {
	said := ""
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, "bytes to syslog") {
			said = line
		}
	}
	if strings.Contains(said, "External interface not usable") {
		return "this machine has no default route (--network none and host work without one)"
	}
	var exit *exec.ExitError
	if said == "" || !errors.As(err, &exit) {
		return err.Error()
	}
	return said
}
