package stage

import (
	"context"
	"fmt"
	"os"
	"strings"

	"skiff/libpod"
	"skiff/netsetup"
	"skiff/netsetup/link"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/process"
)

// networkStep makes the container's network beside the container itself:
// addresses, links and rules take about as long as libcontainer's create, and
// need only the namespace, not the container.
type networkStep struct {
	s       *starter
	manager *netsetup.Manager
	request netsetup.Request
	ns      *link.Namespace
	// late has libcontainer make the namespace, so that it belongs to the
	// container's user namespace.
	late bool
	// joined is the path of another container's namespace, or of one of the host's.
	joined string
	// shared holds the files of that container that name hosts and servers.
	shared dirs.Container
	done   chan error
	result netsetup.Result
}

// newNetwork makes the namespace, or finds the one to join.
func (s *starter) newNetwork() (n *networkStep, err error) {
	n = &networkStep{s: s, manager: s.engine.Networks()}
	n.request = netsetup.Request{
		ID:       s.cfg.ID,
		Name:     s.cfg.Name,
		Hostname: s.cfg.Hostname, Domainname: s.cfg.Domainname,
		Network: s.cfg.Network,
		Links:   libpod.OwnNames(s.cfg),
		Dir:     s.dirs,
	}
	mode := s.cfg.Network.Mode
	switch {
	case mode == state.ModeHost:
		return n, nil
	case strings.HasPrefix(mode, state.ModeContainer):
		return n, n.join(strings.TrimPrefix(mode, state.ModeContainer))
	case strings.HasPrefix(mode, state.ModePath):
		n.shared = s.dirs // nobody else has files for it
		n.joined, err = s.namespaceAt(strings.TrimPrefix(mode, state.ModePath), "net")
		return n, err
	}
	if s.user != nil {
		n.late = true
		return n, nil
	}
	ns, err := n.manager.NewNamespace()
	if err != nil {
		return nil, err
	}
	n.ns, n.request.NS = ns, ns
	return n, nil
}

// join uses the network namespace of another running container.
func (n *networkStep) join(id string) error {
	path, err := n.s.namespaceOf(id, "net")
	if err != nil {
		return err
	}
	n.joined, n.shared = path, n.s.engine.Roots.Container(id)
	return nil
}

// path is the namespace for the spec; empty means the host's.
func (n *networkStep) path() string {
	if n.ns != nil {
		return n.ns.Path()
	}
	return n.joined
}

// begin starts to set the network up. The files that go into the container's
// /etc exist when it returns; their content is complete after wait.
func (n *networkStep) begin(ctx context.Context) error {
	if err := n.manager.WriteFiles(n.request, state.NetworkStatus{}); err != nil {
		return err
	}
	if n.ns != nil {
		n.goSetup(ctx)
	}
	return nil
}

func (n *networkStep) goSetup(ctx context.Context) {
	n.done = make(chan error, 1)
	go func() { n.done <- n.setup(ctx) }()
}

// adopt begins with the network of a container that was made with its namespace.
func (n *networkStep) adopt(ctx context.Context, pid int) error {
	if !n.late {
		return nil
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)) // our child, not yet waited for
	if err != nil {
		return fmt.Errorf("cannot set up the network: %w", err)
	}
	if n.ns, err = n.manager.AdoptNamespace(f); err != nil {
		return err
	}
	n.request.NS = n.ns
	n.goSetup(ctx)
	return nil
}

func (n *networkStep) setup(ctx context.Context) (err error) {
	n.result, err = n.manager.Setup(ctx, n.request)
	if err != nil || len(n.result.Status.Endpoints) == 0 {
		return err
	}
	return n.manager.WriteFiles(n.request, n.result.Status)
}

// wait waits for begin's work and registers its reverse.
func (n *networkStep) wait() error {
	if n.done == nil {
		return nil
	}
	err := <-n.done
	n.done = nil
	if err != nil {
		return err
	}
	n.s.warnings = append(n.s.warnings, n.result.Warnings...)
	n.s.undo.Push(func() error { return n.manager.Teardown(n.s.cfg.ID, n.result.Status) })
	return nil
}

// close ends what is still under way after a failure elsewhere.
func (n *networkStep) close() {
	if n.done != nil && n.wait() == nil {
		n.manager.Teardown(n.s.cfg.ID, n.result.Status)
	}
	if n.ns != nil {
		n.ns.Close()
	}
}

// namespaceOf opens a namespace of another running container and gives a path
// to it that stays good whatever becomes of that container's first process.
func (s *starter) namespaceOf(id, kind string) (path string, err error) {
	live, err := s.engine.Store.Status(id)
	if err != nil {
		return "", err
	}
	if !live.Phase.Present() {
		return "", fmt.Errorf("cannot join the %s namespace of container %s: it is not running", kind, id)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", live.Pid, kind))
	if err != nil {
		return "", fmt.Errorf("cannot join the %s namespace of container %s: %w", kind, id, err)
	}
	start, err := process.StartTime(live.Pid)
	if err != nil || start != live.PidStart {
		f.Close()
		return "", fmt.Errorf("cannot join the %s namespace of container %s: it has ended", kind, id)
	}
	s.held = append(s.held, f)
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), nil
}
