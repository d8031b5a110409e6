package netsetup

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"skiff/netsetup/define"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// Create makes a network's record out of what the user defined. Subnets that
// were left open are chosen among those of pools (nil means plan.UserPools) that
// nothing on this host and no other network uses; kernel objects come with the
// first container.
//
// Errors: state.ErrExists where there is a network of the name, state.ErrInUse
// where a subnet or device is taken.
func (m *Manager) Create(r state.NetworkRecord, pools []plan.UserPool) (state.NetworkRecord, error) {
	path := m.Roots.NetworkRecord(r.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return r, fmt.Errorf("cannot make the network's record: %w", err)
	}
	// Two that choose at the same time must not choose the same.
	l, err := lock.Take(m.Roots.NetworksLock())
	if err != nil {
		return r, err
	}
	defer l.Release()
	if jsonfile.Exists(path) {
		return r, state.Errorf(state.ErrExists, "network with name %s already exists", r.Name)
	}
	others, err := m.Networks()
	if err != nil {
		return r, err
	}
	id := make([]byte, 32)
	rand.Read(id)
	r.ID, r.Created = hex.EncodeToString(id), time.Now().UTC()
	conn, err := link.Open()
	if err != nil {
		return r, err
	}
	defer conn.Close()
	if err := settleDevice(conn, &r, others); err != nil {
		return r, err
	}
	if err := settleSubnets(conn, &r, others, pools); err != nil {
		return r, err
	}
	return r, jsonfile.Write(path, r, jsonfile.Durable)
}

// settleDevice names the bridge, or looks at the devices that the user named.
func settleDevice(conn *link.Conn, r *state.NetworkRecord, others []state.NetworkRecord) error {
	if r.Driver != state.DriverBridge {
		return checkParent(conn, r)
	}
	if r.Bridge == "" {
		r.Bridge = "br-" + r.ID[:12]
		return nil
	}
	for _, o := range others {
		if o.Bridge == r.Bridge && r.Mode == "" {
			return state.Errorf(state.ErrInUse, "bridge name %s is already used by network %s", r.Bridge, o.Name)
		}
	}
	kind, there, err := conn.Kind(r.Bridge)
	if err != nil {
		return err
	}
	switch {
	case r.Mode == "" && there:
		return state.Errorf(state.ErrInUse, "a device named %s exists already: choose another name, or -o mode=unmanaged to use that bridge as it is", r.Bridge)
	case r.Mode != "" && kind != "bridge":
		return state.Errorf(state.ErrInvalid, "-o mode=unmanaged needs a bridge that exists, and %s is none", r.Bridge)
	}
	return nil
}

// checkParent refuses a parent that is neither there nor a VLAN's device on one
// that is, such as eth0.30, and kinds of devices that the kernel has not.
func checkParent(conn *link.Conn, r *state.NetworkRecord) error {
	if err := needKind(conn, r.Driver, "networks of the driver "+r.Driver); err != nil {
		return err
	}
	if r.Parent == "" && r.Internal {
		return needKind(conn, "dummy", "internal networks of the driver "+r.Driver+" without a parent")
	}
	if r.Parent == "" {
		return nil
	}
	if _, ok, err := conn.Index(r.Parent); ok || err != nil {
		return err
	}
	if _, ok := plan.VLANOf(r.Parent); ok {
		if _, ok, err := conn.Index(r.Parent[:strings.LastIndexByte(r.Parent, '.')]); err != nil {
			return err
		} else if ok {
			return needKind(conn, "vlan", "the VLAN device "+r.Parent)
		}
	}
	return state.Errorf(state.ErrInvalid, "there is no device %s to be the network's parent", r.Parent)
}

func needKind(conn *link.Conn, kind, what string) error {
	ok, err := conn.HasKind(kind)
	if err == nil && !ok {
		err = state.Errorf(state.ErrInvalid, "this host cannot have %s: its kernel has no devices of the kind %s", what, kind)
	}
	return err
}

// settleSubnets chooses what was left open, and refuses what is taken.
func settleSubnets(conn *link.Conn, r *state.NetworkRecord, others []state.NetworkRecord, pools []plan.UserPool) error {
	host, _, err := conn.Routes()
	if err != nil {
		return err
	}
	taken := map[netip.Prefix]string{}
	used := append(host, nameservers()...)
	for _, o := range others {
		for _, s := range []string{o.Subnet, o.Subnet6} {
			if p, err := netip.ParsePrefix(s); err == nil {
				taken[p] = o.Name
				used = append(used, p)
			}
		}
	}
	for _, s := range []string{r.Subnet, r.Subnet6} {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			continue // to be chosen, or none
		}
		for o, name := range taken {
			if o.Overlaps(p) {
				return state.Errorf(state.ErrInUse, "subnet %s overlaps with %s of network %s", p, o, name)
			}
		}
		if err := unused(r, p, host); err != nil {
			return err
		}
	}
	if r.Subnet == define.Auto {
		if pools == nil {
			pools = plan.UserPools()
		}
		p, err := plan.ChooseUser(pools, used)
		if err != nil {
			return err
		}
		define.Complete(r, p)
	}
	if r.Subnet6 == define.Auto {
		define.Complete(r, plan.UniqueLocal(r.ID))
	}
	return nil
}

// unused refuses a subnet of a bridge's that the host has routes into. A device
// on a parent is a part of the parent's own network.
func unused(r *state.NetworkRecord, p netip.Prefix, host []netip.Prefix) error {
	if r.Driver != state.DriverBridge || r.Mode != "" {
		return nil
	}
	for _, h := range host {
		if h.Bits() > 0 && h.Overlaps(p) && !(h.Addr().IsLinkLocalUnicast() || h.Addr().IsMulticast()) {
			return state.Errorf(state.ErrInUse, "subnet %s is already used on this host: it has a route to %s", p, h)
		}
	}
	return nil
}

// ChangeDNS changes the name servers of a network. Podman: network update.
func (m *Manager) ChangeDNS(name string, change func(*state.NetworkRecord) error) error {
	l, err := lock.Take(m.Roots.NetworksLock())
	if err != nil {
		return err
	}
	defer l.Release()
	r, err := m.LoadNetwork(name)
	if err != nil {
		return err
	}
	if err := change(&r); err != nil {
		return err
	}
	return jsonfile.Write(m.Roots.NetworkRecord(name), r, jsonfile.Durable)
}
