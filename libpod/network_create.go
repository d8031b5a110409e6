package libpod

import (
	"net/netip"
	"slices"
	"strconv"

	"skiff/netsetup/define"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/event"
)

// NetworkCreate makes a network. Docker, Podman: network create.
func (e *Engine) NetworkCreate(q define.Request) (state.NetworkRecord, error) {
	if e.Rootless() {
		return state.NetworkRecord{}, state.Errorf(state.ErrInvalid, "cannot make a network: ordinary users have none but pasta, host and none")
	}
	if q.Name == "" {
		name, err := e.freeNetworkName()
		if err != nil {
			return state.NetworkRecord{}, err
		}
		q.Name = name
	}
	r, err := define.Record(q)
	if err != nil {
		return r, err
	}
	if r, err = e.Networks().Create(r, e.subnetPools()); err != nil {
		return r, err
	}
	e.noteNetwork(r, event.Create)
	return r, nil
}

// freeNetworkName is skiff1, skiff2 and so on, as Podman counts.
func (e *Engine) freeNetworkName() (string, error) {
	all, err := e.Networks().Networks()
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		name := "skiff" + strconv.Itoa(n)
		if !slices.ContainsFunc(all, func(r state.NetworkRecord) bool { return r.Name == name }) {
			return name, nil
		}
	}
}

// subnetPools are those of containers.conf; nil means the usual ones.
func (e *Engine) subnetPools() (pools []plan.UserPool) {
	for _, p := range e.Settings.Network.DefaultSubnetPools {
		base, err := netip.ParsePrefix(p.Base)
		if err == nil {
			pools = append(pools, plan.UserPool{Base: base, Bits: p.Size})
		}
	}
	return pools
}

// NetworkUpdate adds and drops name servers of a network; containers that run
// use them at once. Podman: network update.
func (e *Engine) NetworkUpdate(ref string, add, drop []string) error {
	r, err := e.network(ref)
	if err != nil {
		return err
	}
	if isPredefined(r.Name) {
		return state.Errorf(state.ErrInvalid, "cannot update network %q: it is pre-defined and has no name servers of its own", r.Name)
	}
	return e.Networks().ChangeDNS(r.Name, func(r *state.NetworkRecord) error {
		if r.NoDNS {
			return state.Errorf(state.ErrInvalid, "cannot set name servers of network %q: it was made with --disable-dns", r.Name)
		}
		if err := define.DropServers(r, drop); err != nil {
			return err
		}
		return define.AddServers(r, add)
	})
}
