package libpod

import (
	"errors"
	"fmt"
	"slices"

	"skiff/netsetup"
	"skiff/state"
)

// portPair is a port as it was asked for and as it is: where the host port was
// left open, the running container has one that was chosen.
type portPair struct{ asked, now state.Port }

// published pairs the ports that are asked for with those that there are. Both
// lists are in one order, unless a person edited the record meanwhile.
func (u *update) published() []portPair {
	asked := netsetup.PublishedPorts(u.old.Network)
	now := asked
	if u.running() {
		now = u.live.Network.Ports
	}
	if len(asked) != len(now) {
		asked = now
	}
	out := make([]portPair, len(now))
	for i := range now {
		out[i] = portPair{asked[i], now[i]}
	}
	return out
}

// unpublish takes the ports that match out of the list; each match has to find
// one.
func unpublish(list []portPair, matches []state.PortMatch) (kept []portPair, removed []state.Port, err error) {
	kept = list
	for _, m := range matches {
		n := len(kept)
		kept = slices.DeleteFunc(kept, func(p portPair) bool {
			if m.Matches(p.now) {
				removed = append(removed, p.now)
			}
			return m.Matches(p.now)
		})
		if len(kept) == n {
			return nil, nil, fmt.Errorf("it does not publish port %q", m)
		}
	}
	return kept, removed, nil
}

// changePorts changes the ports in the config that is to be stored. What
// --publish-all published is written out there: from now on there is a list.
func (u *update) changePorts(req UpdateRequest) error {
	if len(req.Publish)+len(req.Unpublish) == 0 {
		return nil
	}
	n := &u.next.Network
	switch {
	case n.Mode != state.ModeBridge && n.Mode != state.ModePasta:
		return fmt.Errorf("ports cannot be published with the network %q", n.Mode)
	case n.Mode == state.ModePasta && u.live.Phase.Active():
		return errors.New("pasta cannot change the published ports of a running container: stop it first")
	case u.live.Phase == state.Restarting:
		return errors.New("the published ports cannot be changed while it is being restarted")
	}
	kept, removed, err := unpublish(u.published(), req.Unpublish)
	if err != nil {
		return err
	}
	u.removed = removed
	n.Ports, n.PublishAll = nil, false
	for _, p := range kept {
		n.Ports = append(n.Ports, p.asked)
	}
	n.Ports = append(n.Ports, req.Publish...)
	for i, p := range n.Ports {
		if p.HostPort != 0 && slices.ContainsFunc(n.Ports[:i], func(o state.Port) bool {
			return o.HostIP == p.HostIP && o.HostPort == p.HostPort && o.HostPortEnd == p.HostPortEnd && p.HostPortEnd == 0 && o.Protocol == p.Protocol
		}) {
			return fmt.Errorf("port %d/%s of the host is published twice", p.HostPort, p.Protocol)
		}
	}
	return u.e.Networks().Validate(*n)
}

// republish changes the rules for the running container's ports. What its end
// has to take down is recorded first.
func (u *update) republish(add []state.Port) (*liveNetwork, error) {
	st := u.live.Status
	change, err := u.e.Networks().ChangePorts(u.old.ID, st.Network, st.Teardown, add, u.removed)
	if err != nil {
		return nil, err
	}
	return u.e.beginLive(&liveNetwork{id: u.old.ID, st: st, change: change, ports: true})
}
