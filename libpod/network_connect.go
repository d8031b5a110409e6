package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"skiff/netsetup"
	"skiff/netsetup/link"
	"skiff/state"
	"skiff/state/cleanup"
	"skiff/state/event"
	"skiff/state/process"
)

// endpointChange is a change of a container's networks under way, with the
// container's lock held.
type endpointChange struct {
	e    *Engine
	cfg  *state.Config
	live state.Live
	// next is the network that the config is to have.
	next state.Network
	// prepare makes the change of a running container ready.
	prepare func(netsetup.ChangeRequest) (*netsetup.EndpointChange, error)
	// event is what has happened in the end to the network.
	event   string
	network state.NetworkRecord
	// warnings are lines for the user.
	warnings []string
}

// NetworkConnect makes a container an endpoint of one more network, at once where
// it runs. want.Network may be the network's name or the beginning of its id.
func (e *Engine) NetworkConnect(ctx context.Context, ref string, want state.Endpoint) (warnings []string, err error) {
	r, err := e.network(want.Network)
	if err != nil {
		return nil, err
	}
	want.Network = r.Name
	err = e.changeEndpoint(ctx, ref, r, func(c *endpointChange) error {
		c.event = event.Connect
		if err := connectable(c.cfg.Network.Mode, r.Name); err != nil {
			return err
		}
		if slices.ContainsFunc(c.cfg.Network.Endpoints, func(ep state.Endpoint) bool { return ep.Network == r.Name }) {
			return state.Errorf(state.ErrInUse, "endpoint with name %s already exists in network %s", c.cfg.Name, r.Name)
		}
		c.next.Endpoints = append(slices.Clone(c.next.Endpoints), want)
		c.prepare = func(cr netsetup.ChangeRequest) (*netsetup.EndpointChange, error) {
			return e.Networks().Connect(cr, want)
		}
		return e.Networks().Validate(c.next)
	}, &warnings)
	return warnings, err
}

// connectable refuses containers whose network is not made of networks, in Docker's
// words.
func connectable(mode, network string) error {
	switch {
	case network == state.ModeHost:
		return state.Errorf(state.ErrInvalid, "container cannot be disconnected from host network or connected to host network")
	case network == state.ModeNone, mode == state.ModeNone:
		return state.Errorf(state.ErrInvalid, "container cannot be connected to multiple networks with one of the networks in private (none) mode")
	case mode == state.ModePasta:
		return state.Errorf(state.ErrInvalid, "container has the network pasta and cannot be connected to any other network")
	case mode != state.ModeBridge:
		return state.Errorf(state.ErrInvalid, "container sharing network namespace with another container or host cannot be connected to any other network")
	}
	return nil
}

// NetworkDisconnect takes a container out of a network, at once where it runs. With
// force a container that is not there is no error.
func (e *Engine) NetworkDisconnect(ctx context.Context, network, ref string, force bool) (warnings []string, err error) {
	r, err := e.network(network)
	if err != nil {
		return nil, err
	}
	err = e.changeEndpoint(ctx, ref, r, func(c *endpointChange) error {
		c.event = event.Disconnect
		if r.Name == state.ModeHost || c.cfg.Network.Mode == state.ModeHost {
			return connectable(c.cfg.Network.Mode, state.ModeHost)
		}
		at := slices.IndexFunc(c.cfg.Network.Endpoints, func(ep state.Endpoint) bool { return ep.Network == r.Name })
		if at < 0 {
			return state.Errorf(state.ErrInvalid, "container %s is not connected to network %s", c.cfg.Name, r.Name)
		}
		c.next.Endpoints = slices.Delete(slices.Clone(c.next.Endpoints), at, at+1)
		c.prepare = func(cr netsetup.ChangeRequest) (*netsetup.EndpointChange, error) {
			return e.Networks().Disconnect(cr, r.Name)
		}
		return nil
	}, &warnings)
	if force && errors.Is(err, state.ErrNotFound) {
		return warnings, nil
	}
	return warnings, err
}

// changeEndpoint changes a container's endpoints as decide says.
func (e *Engine) changeEndpoint(ctx context.Context, ref string, r state.NetworkRecord, decide func(*endpointChange) error, warnings *[]string) error {
	id, err := e.Store.Find(ref)
	if err != nil {
		return err
	}
	if _, err := e.status(ctx, id); err != nil {
		return err
	}
	l, err := e.Store.Lock(id)
	if err != nil {
		return err
	}
	defer l.Release()
	c := &endpointChange{e: e, network: r}
	if c.cfg, err = e.Store.Load(id); err != nil {
		return err
	}
	if c.live, err = e.Store.Status(id); err != nil {
		return err
	}
	c.next = c.cfg.Network
	if err := decide(c); err != nil {
		return err
	}
	switch c.live.Phase {
	case state.Running, state.Paused:
		err = c.apply()
	case state.Restarting:
		err = errors.New("it is being restarted: try again when it runs, or stop it first")
	case state.Removing, state.Dead:
		err = errors.New("it is being removed")
	default:
		err = c.save(c.next)
	}
	*warnings = c.warnings
	if err != nil {
		verb, word := "connect", "to"
		if c.event == event.Disconnect {
			verb, word = "disconnect", "from"
		}
		return fmt.Errorf("cannot %s container %s %s network %s: %w", verb, strings.TrimPrefix(ref, "/"), word, r.Name, err)
	}
	return nil
}

func (c *endpointChange) save(n state.Network) error {
	return c.e.Store.UpdateLocked(c.cfg.ID, func(cfg *state.Config) error { cfg.Network = n; return nil })
}

// apply changes the running container, its files, its record and what its monitor
// knows, in this order.
func (c *endpointChange) apply() (err error) {
	var live *liveNetwork
	defer func() {
		if live != nil {
			live.change.Close() // after what undoes it
		}
	}()
	var undo cleanup.Stack
	defer undo.UnlessDone(&err)
	ns, err := namespaceOf(c.live.Status)
	if err != nil {
		return err
	}
	defer ns.Close()
	st := c.live.Status
	change, err := c.prepare(netsetup.ChangeRequest{
		ID: c.cfg.ID, Name: c.cfg.Name, Links: OwnNames(c.cfg), NS: ns, Network: c.cfg.Network, Status: st.Network, Teardown: st.Teardown,
	})
	if err != nil {
		return err
	}
	c.warnings = change.Warnings
	if live, err = c.e.beginLive(&liveNetwork{id: c.cfg.ID, st: st, change: change}); err != nil {
		return err
	}
	undo.Push(live.revert)
	files := func(from, to state.NetworkStatus) error {
		return c.e.Networks().AmendFiles(c.e.networkRequest(c.cfg), from, to)
	}
	undo.Push(func() error { return files(change.Status, st.Network) })
	if err := files(st.Network, change.Status); err != nil {
		return err
	}
	if err := c.save(c.next); err != nil {
		return err
	}
	undo.Push(func() error { return c.save(c.cfg.Network) })
	if err := live.commit(); err != nil {
		return err
	}
	c.e.warnOf(change.Release())
	c.e.note(event.Event{ID: c.cfg.ID, Network: c.network.Name, Status: c.event, Type: event.Network, Attributes: map[string]string{"driver": c.network.Driver}})
	return nil
}

// networkRequest is what the container's name files are written from.
func (e *Engine) networkRequest(cfg *state.Config) netsetup.Request {
	return netsetup.Request{
		ID: cfg.ID, Name: cfg.Name, Hostname: cfg.Hostname, Domainname: cfg.Domainname, Network: cfg.Network,
		Links: OwnNames(cfg), Dir: e.Roots.Container(cfg.ID),
	}
}

var errEndedMeanwhile = errors.New("the container has ended meanwhile")

// namespaceOf opens the network namespace of a running container.
func namespaceOf(st state.Status) (*link.Namespace, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", st.Pid))
	if err != nil {
		return nil, errEndedMeanwhile
	}
	if start, err := process.StartTime(st.Pid); err != nil || start != st.PidStart {
		f.Close()
		return nil, errEndedMeanwhile
	}
	return link.OpenNamespace(f)
}
