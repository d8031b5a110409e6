package netsetup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"skiff/netsetup/plan"
	"skiff/netsetup/userport"
	"skiff/state"
)

// setupPasta connects the namespace through pasta, which holds the host ports
// itself.
func (m *Manager) setupPasta(ctx context.Context, r Request) (res Result, err error) {
	if _, err := userport.Check(m.Pasta); err != nil {
		return res, fmt.Errorf("cannot set up the network: %w", err)
	}
	if err := os.MkdirAll(r.Dir.Run, 0o711); err != nil {
		return res, fmt.Errorf("cannot set up the network: %w", err)
	}
	// Finding out which ports are free, and choosing, is the same as for a bridge;
	// then they are let go for pasta to take.
	ports, held, err := m.reserveForPasta(ctx, PublishedPorts(r.Network))
	if err != nil {
		return res, err
	}
	for _, f := range held {
		f.Close()
	}
	res.Status.Ports = ports
	marker := r.Dir.Netns()
	hostAddress, err := userport.Start(ctx, userport.Config{
		Path: m.Pasta, NS: r.NS.Fd(), Marker: marker, Interface: plan.ContainerInterface,
		Ports: res.Status.Ports, Options: r.Network.PastaOptions, Root: wholeMachine(),
	})
	if err != nil {
		return Result{}, err
	}
	e, err := pastaEndpoint(r)
	if err != nil {
		return Result{}, errors.Join(err, os.Remove(marker))
	}
	if hostAddress {
		e.Gateway = userport.HostAddress
	}
	res.Status.Endpoints = []state.EndpointStatus{e}
	res.Teardown.Files = []string{marker}
	return res, nil
}

// reserveForPasta is reserve for a port that the pasta of a container that has
// just ended may still hold: it ends by itself, a moment after it is told to.
func (m *Manager) reserveForPasta(ctx context.Context, want []state.Port) (ports []state.Port, held []*os.File, err error) {
	for deadline := time.Now().Add(pastaLeaves); ; {
		ports, held, err = m.reserve(want, families{true, true})
		if !errors.Is(err, ErrPortInUse) || time.Now().After(deadline) {
			return ports, held, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// pastaLeaves is how long a pasta that was told to end may take.
const pastaLeaves = 500 * time.Millisecond

// pastaEndpoint reads back the addresses that pasta gave: the host's own.
func pastaEndpoint(r Request) (state.EndpointStatus, error) {
	e := state.EndpointStatus{Network: state.ModePasta}
	addrs, err := r.NS.Conn().Addresses()
	if err != nil {
		return e, err
	}
	for _, a := range addrs {
		switch {
		case a.Addr().IsLoopback() || a.Addr().IsLinkLocalUnicast():
		case a.Addr().Is4() && e.IP == "":
			e.IP, e.PrefixLen = a.Addr().String(), a.Bits()
		case a.Addr().Is6() && e.IP6 == "":
			e.IP6, e.PrefixLen6 = a.Addr().String(), a.Bits()
		}
	}
	if e.IP == "" && e.IP6 == "" {
		return e, errors.New("cannot set up the network: pasta gave the container no address")
	}
	e.Interface = plan.ContainerInterface
	return e, nil
}

// wholeMachine reports whether this process is root outside of any user namespace.
func wholeMachine() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return os.Geteuid() == 0 && err == nil && strings.Join(strings.Fields(string(b)), " ") == "0 0 4294967295"
}
