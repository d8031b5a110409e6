package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// leastThroughput is the part of a bare veth pair's throughput that a container has.
const leastThroughput = 0.95

// stretch is how long one measurement of throughput takes.
const stretch = 100 * time.Millisecond

// place is a network namespace, by a descriptor of it.
type place int

// flow is what a measurement came to. The processors' time is that of both ends.
type flow struct {
	bytes      int
	clock, cpu time.Duration
}

// lane is a way that bytes take: from a sender in one place to a receiver in another.
type lane struct {
	from, to place
	listen   netip.AddrPort
	dial     netip.AddrPort
}

// traffic compares the throughput of containers with that of a bare veth pair.
func (b *bench) traffic(string) error {
	t := &trafficBed{b: b}
	defer t.close()
	if err := t.make(); err != nil {
		return err
	}
	for _, row := range []struct {
		name       string
		lane, bare lane
	}{
		{"container to host", t.lane(t.one, t.host, t.gateway, 5001, t.gateway, 5001), t.lane(t.left, t.host, "192.0.2.1", 5001, "192.0.2.1", 5001)},
		{"host to container", t.lane(t.host, t.two, t.second, 5002, t.second, 5002), t.lane(t.host, t.left, "192.0.2.2", 5002, "192.0.2.2", 5002)},
		{"container to container", t.lane(t.one, t.two, t.second, 5002, t.second, 5002), t.lane(t.left, t.right, "192.0.2.6", 5002, "192.0.2.6", 5002)},
		{"published port", t.lane(t.host, t.two, t.second, 5002, "192.0.2.1", 15002), t.lane(t.host, t.left, "192.0.2.2", 5002, "192.0.2.2", 5002)},
		{"published port, from outside", t.lane(t.left, t.two, t.second, 5002, "192.0.2.1", 15002), t.lane(t.left, t.right, "192.0.2.10", 5002, "192.0.2.10", 5002)},
	} {
		if err := b.throughput(row.name, row.lane, row.bare); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	return nil
}

// throughput prints two rows: medians of rounds that take turns, by the clock and by
// the processors' time, which others on the machine do not disturb.
func (b *bench) throughput(name string, mine, bare lane) error {
	var clock, cpu [2][]float64
	for round := range 3*b.rounds + 1 { // short and many
		for i := range 2 {
			i = (i + round) % 2
			f, err := []*lane{&mine, &bare}[i].measure()
			if err != nil {
				return err
			}
			if round > 0 {
				clock[i] = append(clock[i], float64(f.bytes)*8/float64(f.clock.Nanoseconds()))
				cpu[i] = append(cpu[i], float64(f.bytes)*8/float64(f.cpu.Nanoseconds()))
			}
		}
	}
	for _, r := range []struct {
		what, unit string
		v          [2][]float64
	}{{": bare veth pair", "Gb/s", clock}, {", per processor", "Gb/s", cpu}} {
		ratio := pairs(r.v[0], r.v[1])
		b.row(name+r.what, fmt.Sprintf("%.1f %s", median(r.v[0]), r.unit), fmt.Sprintf("%.1f %s", median(r.v[1]), r.unit),
			fmt.Sprintf("%.2f", ratio), fmt.Sprintf(">= %.2f", leastThroughput), ratio >= leastThroughput)
	}
	return nil
}

// trafficBed is the machine: two containers on skiff's bridge, and two other
// namespaces that are joined to the host and to each other by bare pairs of devices.
type trafficBed struct {
	b                           *bench
	host, left, right, one, two place
	gateway, second             string
}

func (t *trafficBed) make() (err error) {
	if t.host, err = openPlace("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	for _, ns := range []*place{&t.left, &t.right} {
		err := aside(func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			if *ns, err = openPlace("/proc/thread-self/ns/net"); err != nil {
				return err
			}
			return run("ip", "link", "set", "lo", "up")
		})
		if err != nil {
			return err
		}
	}
	for _, pair := range []struct {
		a, b place
		addr [2]string
		name string
	}{
		{t.host, t.left, [2]string{"192.0.2.1/30", "192.0.2.2/30"}, "bare0"},
		{t.left, t.right, [2]string{"192.0.2.5/30", "192.0.2.6/30"}, "bare1"},
		{t.host, t.right, [2]string{"192.0.2.9/30", "192.0.2.10/30"}, "bare2"},
	} {
		if err := join(pair.a, pair.b, pair.name, pair.addr); err != nil {
			return err
		}
	}
	// What comes from outside is routed to a container: so is what it is compared with.
	for _, r := range []struct {
		in      place
		to, via string
	}{{t.left, "192.0.2.8/30", "192.0.2.1"}, {t.right, "192.0.2.0/30", "192.0.2.9"}} {
		if err := r.in.do(func() error { return run("ip", "route", "add", r.to, "via", r.via) }); err != nil {
			return err
		}
	}
	return t.containers()
}

func (t *trafficBed) containers() error {
	for _, args := range [][]string{{"--name", "one"}, {"--name", "two", "-p", "15002:5002"}} {
		args = append(append([]string{"run", "-d"}, args...), busybox, "sleep", "100000")
		if err := done(t.b.sk(args...)); err != nil {
			return err
		}
	}
	ask := func(name, format string) (string, error) {
		out, err := t.b.sk("inspect", "--format", format, name).Output()
		return strings.TrimSpace(string(out)), err
	}
	var pids [2]string
	var errs [4]error
	pids[0], errs[0] = ask("one", "{{.State.Pid}}")
	pids[1], errs[1] = ask("two", "{{.State.Pid}}")
	t.gateway, errs[2] = ask("one", "{{.NetworkSettings.Gateway}}")
	t.second, errs[3] = ask("two", "{{.NetworkSettings.IPAddress}}")
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for i, ns := range []*place{&t.one, &t.two} {
		var err error
		if *ns, err = openPlace("/proc/" + pids[i] + "/ns/net"); err != nil {
			return err
		}
	}
	return nil
}

func (t *trafficBed) lane(from, to place, listen string, port uint16, dial string, at uint16) lane {
	return lane{from, to, netip.AddrPortFrom(netip.MustParseAddr(listen), port), netip.AddrPortFrom(netip.MustParseAddr(dial), at)}
}

func (t *trafficBed) close() {
	for _, name := range []string{"one", "two"} {
		t.b.quiet(t.b.sk("rm", "-f", "-t", "0", name))
	}
	for _, ns := range []place{t.left, t.right, t.one, t.two, t.host} {
		if ns > 0 {
			unix.Close(int(ns))
		}
	}
	t.b.quiet(exec.Command("ip", "link", "del", "bare0"))
	t.b.quiet(exec.Command("ip", "link", "del", "bare2"))
}

func openPlace(path string) (place, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return place(fd), err
}

// join makes a pair of devices between two places.
func join(a, b place, name string, addrs [2]string) error {
	err := a.do(func() error {
		return run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), b))
	})
	for i, p := range []place{a, b} {
		if err == nil {
			err = p.do(func() error { return run("ip", "addr", "add", addrs[i], "dev", name) })
		}
		if err == nil {
			err = p.do(func() error { return run("ip", "link", "set", name, "up") })
		}
	}
	return err
}

// aside runs fn on a thread that ends with it.
func aside(fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- fn()
	}()
	return <-done
}

// do runs fn in the place.
func (p place) do(fn func() error) error {
	return aside(func() error {
		if err := unix.Setns(int(p), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return fn()
	})
}

// measure sends for a while.
func (l *lane) measure() (f flow, err error) {
	var listener int
	err = l.to.do(func() (err error) {
		if listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if err := unix.Bind(listener, &unix.SockaddrInet4{Addr: l.listen.Addr().As4(), Port: int(l.listen.Port())}); err != nil {
			return err
		}
		return unix.Listen(listener, 1)
	})
	if err != nil {
		return f, fmt.Errorf("cannot listen on %s: %w", l.listen, err)
	}
	defer unix.Close(listener)
	sent := make(chan error, 1)
	var spent time.Duration
	go func() { sent <- l.from.do(func() (err error) { spent, err = l.send(); return err }) }()
	if f, err = receive(listener); err != nil {
		return f, err
	}
	err = <-sent
	f.cpu += spent
	return f, err
}

func (l *lane) send() (cpu time.Duration, err error) {
	pin(0)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: l.dial.Addr().As4(), Port: int(l.dial.Port())}); err != nil {
		return 0, fmt.Errorf("cannot connect to %s: %w", l.dial, err)
	}
	buf := make([]byte, 128<<10)
	for end := time.Now().Add(stretch); time.Now().Before(end); {
		if _, err := unix.SendmsgN(fd, buf, nil, nil, unix.MSG_NOSIGNAL); err != nil {
			return 0, err
		}
	}
	return processorTime(), nil
}

// receive takes the one connection of a listener and reads it to its end.
func receive(listener int) (f flow, err error) {
	err = aside(func() error {
		pin(1)
		p := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if n, err := unix.Poll(p, 5000); n < 1 {
			return fmt.Errorf("nobody connects (%v)", err)
		}
		fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		buf := make([]byte, 256<<10)
		for start := time.Now(); ; {
			n, err := unix.Read(fd, buf)
			if err != nil {
				return err
			}
			if n == 0 {
				f.clock, f.cpu = time.Since(start), processorTime()
				return nil
			}
			f.bytes += n
		}
	})
	return f, err
}

// processorTime is what this thread has used.
func processorTime() time.Duration {
	var ru unix.Rusage
	unix.Getrusage(unix.RUSAGE_THREAD, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// pin keeps the thread, which ends with its work, on one processor, where there are
// several.
func pin(cpu int) {
	if runtime.NumCPU() > cpu {
		var set unix.CPUSet
		set.Set(cpu)
		unix.SchedSetaffinity(0, &set)
	}
}
