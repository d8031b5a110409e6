package netsetup

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"skiff/netsetup/firewall"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
)

// joint is one endpoint of a container that is being made.
type joint struct {
	want  state.Endpoint
	nw    *network
	lease leased
	ep    plan.Endpoint
}

// joining makes endpoints of one container.
type joining struct {
	m      *Manager
	fw     applier
	conn   *link.Conn
	id     string
	ns     *link.Namespace
	joints []*joint
	back   undo
}

// open attaches to the networks.
func (m *Manager) open(id string, ns *link.Namespace, wants []state.Endpoint) (_ *joining, err error) {
	if !ownsNetwork() {
		return nil, fmt.Errorf("cannot join network %q: ordinary users have no bridges (use --network pasta, host or none)", wants[0].Network)
	}
	fw, err := m.applier()
	if err != nil {
		return nil, err
	}
	conn, err := link.Open()
	if err != nil {
		return nil, err
	}
	j := &joining{m: m, fw: fw, conn: conn, id: id, ns: ns}
	names := make([]string, len(wants))
	for i, w := range wants {
		names[i] = w.Network
	}
	nets, err := m.attachAll(conn, fw, names)
	if err != nil {
		conn.Close()
		return nil, err
	}
	for i, w := range wants {
		j.joints = append(j.joints, &joint{want: w, nw: nets[i]})
	}
	return j, nil
}

// close lets go of the networks.
func (j *joining) close() {
	for _, t := range j.joints {
		t.nw.lock.Release()
	}
	j.conn.Close()
}

// plan takes addresses and works the endpoints out. others are the endpoints that
// the container has already, before those of its last run.
func (j *joining) plan(others []state.EndpointStatus, before map[string]state.EndpointStatus) (err error) {
	taken := slices.Clone(others)
	for _, t := range j.joints { // names that the user wants win over those that are chosen
		taken = append(taken, state.EndpointStatus{Interface: t.want.Interface, HostLink: t.want.HostInterface})
	}
	for i, t := range j.joints {
		nw := t.nw
		if t.lease, err = j.m.lease(nw, j.id, t.want, before[nw.record.Name], &j.back); err != nil {
			return err
		}
		if len(t.lease.reclaimed) > 0 {
			if err := nw.fw.Forget(t.lease.reclaimed); err != nil {
				return err
			}
		}
		taken[len(others)+i] = state.EndpointStatus{}
		if t.ep, err = plan.Plan(j.input(t, taken)); err != nil {
			return err
		}
		taken[len(others)+i] = t.ep.Status
	}
	return nil
}

func (j *joining) input(t *joint, others []state.EndpointStatus) plan.Input {
	return plan.Input{
		ID: j.id, Network: t.nw.record, Want: t.want, IPv6: t.nw.ipv6, IP: t.lease.ip, IP6: t.lease.ip6,
		MTU: j.m.MTU, Parent: t.nw.parent, Others: others,
	}
}

// make makes the planned devices and rules.
func (j *joining) make() error {
	for _, t := range j.joints {
		if err := j.device(t); err != nil {
			return err
		}
	}
	err := j.ns.Do(func() error {
		for _, t := range j.joints {
			if err := deviceSysctls(t.ep); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range j.joints {
		mac, err := j.ns.Conn().Endpoint(t.ep)
		if err != nil {
			return fmt.Errorf("cannot join network %q: %w", t.nw.record.Name, err)
		}
		t.ep.Status.MAC = mac.String()
	}
	return j.rules()
}

// device makes an endpoint's device. The bridge cannot go away under the network's
// shared lock, unless a person removes it.
func (j *joining) device(t *joint) error {
	d := t.ep.Device
	if err := j.conn.Device(d, j.id, t.nw.index, j.ns.Fd()); err != nil {
		return fmt.Errorf("cannot join network %q: %w", t.nw.record.Name, err)
	}
	j.back.push(func() error { return j.unmake(t.ep.Status) })
	if t.nw.record.Apart && d.Host != "" {
		if err := j.conn.Isolate(d.Host); err != nil {
			return fmt.Errorf("cannot join network %q: %w", t.nw.record.Name, err)
		}
	}
	if len(t.ep.Forwards) > 0 && sysctl("net/bridge/bridge-nf-call-iptables") == "1" {
		return j.conn.Hairpin(d.Host)
	}
	return nil
}

// unmake removes an endpoint's device.
func (j *joining) unmake(st state.EndpointStatus) error {
	if st.HostLink != "" {
		return j.conn.Delete(st.HostLink)
	}
	return j.ns.Conn().Delete(st.Interface)
}

// rules brings the networks' rules and the published ports into the firewall.
func (j *joining) rules() error {
	remade, existed := false, false
	var udp []uint16
	for _, t := range j.joints {
		if t.ep.Firewall.Bridge == "" {
			continue
		}
		j.back.push(func() error { return t.nw.fw.Forget(t.ips()) })
		again, err := t.nw.fw.Add(t.ep.Firewall, t.ep.Forwards)
		if err != nil {
			return err
		}
		remade, existed = remade || again, existed || t.nw.existed
		udp = append(udp, udpPorts(t.ep.Forwards)...)
	}
	if remade {
		if err := j.remake(existed); err != nil {
			return err
		}
	}
	return j.conn.FlushUDP(udp)
}

// remake puts back what went with rules that somebody flushed: those of the other
// networks and, if some network was there before, of the other containers.
func (j *joining) remake(existed bool) error {
	var fw applier
	for _, t := range j.joints {
		if t.ep.Firewall.Bridge == "" {
			continue
		}
		if fw = t.nw.fw; len(j.joints) > 1 {
			if err := fw.AddNetwork(t.ep.Firewall); err != nil {
				return err
			}
		}
	}
	if !existed {
		return nil
	}
	return j.m.reassert(fw, j.id)
}

// publisher is the endpoint at which ports are published: the first on a bridge; -1
// without one.
func (j *joining) publisher() int {
	return slices.IndexFunc(j.joints, func(t *joint) bool { return plan.Managed(t.nw.record) })
}

func (j *joining) records() (all []state.NetworkRecord) {
	for _, t := range j.joints {
		all = append(all, t.nw.record)
	}
	return all
}

func (t *joint) ips() (ips []netip.Addr) {
	for _, a := range t.ep.Addresses {
		ips = append(ips, a.Addr())
	}
	return ips
}

func (j *joining) endpoints() (eps []*plan.Endpoint, wants []state.Endpoint) {
	for _, t := range j.joints {
		eps, wants = append(eps, &t.ep), append(wants, t.want)
	}
	return eps, wants
}

// setupNetworks makes the container's endpoints.
func (m *Manager) setupNetworks(ctx context.Context, r Request) (res Result, err error) {
	if len(r.Network.Endpoints) == 0 {
		return m.setupNone() // it left all of them
	}
	j, err := m.open(r.ID, r.NS, r.Network.Endpoints)
	if err != nil {
		return res, err
	}
	defer j.close()
	defer func() {
		if err != nil {
			err = j.back.run(err)
			res.Close()
			res = Result{}
		}
	}()
	if res.Watch, err = j.fw.Watch(); err != nil {
		return res, err
	}
	if err := j.plan(nil, previousEndpoints(r.Dir)); err != nil {
		return res, err
	}
	plan.Ways(j.endpoints())
	if err := j.publish(PublishedPorts(r.Network), &res); err != nil {
		return res, err
	}
	if err := j.make(); err != nil {
		return res, err
	}
	if err := j.record(&res); err != nil {
		return res, err
	}
	if err := m.nameEndpoints(r, j.records(), &res, &j.back); err != nil {
		return res, err
	}
	return res, ctx.Err()
}

// setupNone is for a container that is in no network, but may be connected to one.
func (m *Manager) setupNone() (res Result, err error) {
	fw, err := m.applier()
	if err == nil && ownsNetwork() {
		res.Watch, err = fw.Watch()
	}
	return res, err
}

// publish reserves the ports and plans them at the endpoint that has them.
func (j *joining) publish(ports []state.Port, res *Result) (err error) {
	i := j.publisher()
	if i < 0 {
		for _, p := range ports {
			res.Warnings = append(res.Warnings, fmt.Sprintf("port %s is not published: no network of the container is a bridge with addresses", plan.PortText(p)))
		}
		return nil
	}
	t := j.joints[i]
	ports = atHost(ports, t.nw.record)
	if res.Status.Ports, res.Reserved, err = j.m.reserve(ports, t.families()); err != nil {
		return err
	}
	return t.ep.Publish(res.Status.Ports)
}

func (t *joint) families() families { return families{t.lease.ip.IsValid(), t.lease.ip6.IsValid()} }

// atHost gives the ports that name no address of the host's the one that the
// network has for them.
func atHost(ports []state.Port, r state.NetworkRecord) []state.Port {
	if r.HostIP == "" {
		return ports
	}
	ports = slices.Clone(ports)
	for i := range ports {
		if ports[i].HostIP == "" {
			ports[i].HostIP = r.HostIP
		}
	}
	return ports
}

// record tells what there is and how it is taken down.
func (j *joining) record(res *Result) (err error) {
	for i, t := range j.joints {
		res.Warnings = append(t.nw.warnings, res.Warnings...)
		res.Status.Endpoints = append(res.Status.Endpoints, t.ep.Status)
		if i != j.publisher() {
			res.Teardown.Files = append(res.Teardown.Files, t.lease.entries...)
			continue
		}
		if res.Teardown.Netlink, err = t.nw.fw.Undo(t.ep.Forwards); err != nil {
			return err
		}
		if res.Teardown.Netlink == nil && len(t.ep.Forwards) > 0 {
			res.Teardown.Engine = true // which gives the addresses back when the rules are gone
		} else {
			res.Teardown.Files = append(res.Teardown.Files, t.lease.entries...)
		}
	}
	return nil
}

func udpPorts(fs []firewall.Forward) (ports []uint16) {
	for _, f := range fs {
		if f.Proto == "udp" {
			ports = append(ports, f.Host.Port())
		}
	}
	return ports
}
