package netsetup

import (
	"errors"
	"os"
	"path/filepath"

	"skiff/netsetup/firewall"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/lock"
)

// Reload puts the rules of all running containers into the firewall again, after
// somebody took some of them away. It changes nothing where all are there.
func (m *Manager) Reload() error {
	fw, err := m.applier()
	if err != nil {
		return err
	}
	return m.reassert(fw, "")
}

// reassert makes the rules of all running containers but one complete.
func (m *Manager) reassert(fw applier, except string) error {
	rs, err := m.gather(except)
	defer rs.release()
	if len(rs.networks) == 0 {
		return err
	}
	if e := fw.Restore(rs.networks, rs.forwards()); e != nil {
		return errors.Join(err, e)
	}
	// A container that ended meanwhile may have found nothing to take away.
	for _, c := range rs.containers {
		if len(c.forwards) > 0 && !m.alive(c.id) {
			err = errors.Join(err, fw.Remove(c.forwards))
		}
	}
	return err
}

// A ruleset is what the firewall has to hold for the containers that run.
type ruleset struct {
	networks   []firewall.Network
	containers []published
	locks      []*lock.Lock // keep the networks from being taken down
	conn       *link.Conn
}

// published are one container's forwards.
type published struct {
	id       string
	forwards []firewall.Forward
}

func (rs *ruleset) forwards() (all []firewall.Forward) {
	for _, c := range rs.containers {
		all = append(all, c.forwards...)
	}
	return all
}

func (rs *ruleset) release() {
	for _, l := range rs.locks {
		l.Release()
	}
	rs.conn.Close()
}

// gather finds out what the running containers need, but for one of them, which is
// about to add its own. What cannot be read is in the error; the rest is there.
func (m *Manager) gather(except string) (*ruleset, error) {
	rs := &ruleset{}
	var err error
	if rs.conn, err = link.Open(); err != nil {
		return rs, err
	}
	store, err := state.Open(m.Roots)
	if err != nil {
		return rs, err
	}
	ids, err := store.IDs()
	errs := []error{err}
	met := map[string]bool{}
	for _, id := range ids {
		if id == except || !m.alive(id) {
			continue
		}
		st, err := store.Status(id)
		if err != nil {
			continue // it ended, or its start is about to add its own
		}
		for _, e := range st.Network.Endpoints {
			if !met[e.Network] {
				met[e.Network] = true
				errs = append(errs, m.gatherNetwork(rs, e.Network))
			}
		}
		fs, err := m.forwardsOf(st.Network)
		errs = append(errs, err)
		rs.containers = append(rs.containers, published{id, fs})
	}
	return rs, errors.Join(errs...)
}

// gatherNetwork adds a network that containers are in, if it has rules, and keeps it
// from being taken down.
func (m *Manager) gatherNetwork(rs *ruleset, name string) error {
	r, err := m.LoadNetwork(name)
	if err != nil || !plan.Managed(r) {
		return err
	}
	if _, ok, err := rs.conn.Index(r.Bridge); !ok || err != nil {
		return err
	}
	s, err := plan.ParseSubnets(r)
	if err != nil {
		return err
	}
	l, err := lock.Share(filepath.Join(m.Roots.Network(name), "lock"))
	if errors.Is(err, os.ErrNotExist) {
		return nil // the last container has just left it
	}
	if err != nil {
		return err
	}
	rs.locks = append(rs.locks, l)
	ipv6 := s.Net6.IsValid() && sysctl("net/ipv6/conf/"+r.Bridge+"/disable_ipv6") == "0"
	rs.networks = append(rs.networks, plan.FirewallOf(r, s, ipv6))
	return nil
}

// forwardsOf are the forwards of a running container's ports, which are at its
// first endpoint on a bridge.
func (m *Manager) forwardsOf(n state.NetworkStatus) ([]firewall.Forward, error) {
	if len(n.Ports) == 0 {
		return nil, nil
	}
	i, err := m.publisher(n.Endpoints)
	if i < 0 || err != nil {
		return nil, err
	}
	ep := plan.Endpoint{Status: n.Endpoints[i]}
	err = ep.Publish(n.Ports)
	return ep.Forwards, err
}
