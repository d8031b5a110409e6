package netsetup

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/netsetup/ipam"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// network is a network that is there, with what is needed to join it.
type network struct {
	record   state.NetworkRecord
	subnets  plan.Subnets
	index    int // of the bridge device
	ipv6     bool
	existed  bool // the bridge was there before us
	pool     ipam.Pool
	fw       applier
	lock     *lock.Lock // shared: the network stays while it is held
	warnings []string
}

// attach finds the network, making what is missing of it, and keeps it from
// being taken down until the lock is released.
func (m *Manager) attach(conn *link.Conn, name string) (*network, error) {
	nw := &network{existed: true}
	var err error
	if nw.fw, err = m.applier(); err != nil {
		return nil, err
	}
	for range 5 {
		l, err := m.lockNetwork(name, lock.Share)
		if err != nil {
			return nil, err
		}
		ok, err := nw.find(m, conn, name)
		if ok && err == nil {
			nw.lock = l
			return nw, nil
		}
		l.Release()
		if err == nil {
			err = m.make(conn, nw, name)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("cannot join network %q: it keeps being removed", name)
}

// lockNetwork takes the network's lock, whose directory goes away when the
// network is taken down.
func (m *Manager) lockNetwork(name string, how func(string) (*lock.Lock, error)) (l *lock.Lock, err error) {
	dir := m.Roots.Network(name)
	for range 5 {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the network's directory: %w", err)
		}
		if l, err = how(filepath.Join(dir, "lock")); !errors.Is(err, os.ErrNotExist) {
			return l, err
		}
	}
	return nil, err
}

// find reports whether the network is complete.
func (nw *network) find(m *Manager, conn *link.Conn, name string) (ok bool, err error) {
	nw.record, err = m.LoadNetwork(name)
	if errors.Is(err, state.ErrNotFound) && name == state.DefaultNetwork {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if nw.subnets, err = plan.ParseSubnets(nw.record); err != nil {
		return false, err
	}
	nw.pool = m.pool(nw.record, nw.subnets)
	if nw.index, ok, err = conn.Index(nw.record.Bridge); err != nil || !ok {
		return false, err
	}
	nw.ipv6 = nw.subnets.Net6.IsValid() && sysctl("net/ipv6/conf/"+nw.record.Bridge+"/disable_ipv6") == "0"
	return true, nil
}

func (m *Manager) pool(r state.NetworkRecord, s plan.Subnets) ipam.Pool {
	return ipam.Pool{Dir: m.Roots.Network(r.Name), Subnet: s.Net4, Gateway: s.Gateway4, Alive: m.alive}
}

// LoadNetwork reads a network's record; ErrNotFound if there is none.
func (m *Manager) LoadNetwork(name string) (state.NetworkRecord, error) {
	var r state.NetworkRecord
	if name == "" || strings.ContainsAny(name, "/\x00") || name[0] == '.' {
		return r, fmt.Errorf("network %q: %w", name, state.ErrNotFound)
	}
	err := jsonfile.Read(m.Roots.NetworkRecord(name), &r)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return r, fmt.Errorf("network %q: %w", name, state.ErrNotFound)
	case err != nil:
		return r, err
	case r.Version > state.NetworkVersion:
		return r, fmt.Errorf("network %q was made by a newer skiff: %w", name, state.ErrVersion)
	case r.Name != name:
		return r, fmt.Errorf("network %q: its record has the name %q: %w", name, r.Name, state.ErrInvalid)
	}
	return r, nil
}

// make makes the record and the bridge, under the network's lock.
func (m *Manager) make(conn *link.Conn, nw *network, name string) (err error) {
	l, err := m.lockNetwork(name, lock.Take)
	if err != nil {
		return err
	}
	defer l.Release()
	if ok, err := nw.find(m, conn, name); ok || err != nil {
		return err // somebody else made it meanwhile
	}
	nw.existed = false
	used, ipv6, err := conn.Routes()
	if err != nil {
		return err
	}
	ipv6 = ipv6 && sysctl("net/ipv6/conf/all/disable_ipv6") == "0"
	if name == state.DefaultNetwork {
		if err := m.record(nw, append(used, nameservers()...)); err != nil {
			return err
		}
	}
	b := plan.BridgeOf(nw.record, nw.subnets, ipv6, m.MTU)
	err = conn.Bridge(b, func() (err error) {
		nw.warnings, err = hostSysctls(b)
		return err
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("cannot make the bridge %s: the kernel has no bridges; use --network host or none", b.Name)
	}
	if err != nil {
		return err
	}
	if err := nw.fw.AddNetwork(plan.FirewallOf(nw.record.Bridge, nw.subnets, ipv6)); err != nil {
		return errors.Join(err, conn.Delete(b.Name))
	}
	return nil
}

// Predefined is a network that exists from the start, as long as it has no
// record. Its id is always the same.
func (m *Manager) Predefined(name, driver string) state.NetworkRecord {
	id := sha256.Sum256([]byte(m.Roots.Data + " " + name))
	return state.NetworkRecord{Version: state.NetworkVersion, Name: name, ID: hex.EncodeToString(id[:]), Driver: driver}
}

// record writes the default network's record if there is none, or if its
// addresses have since come into use on this host.
func (m *Manager) record(nw *network, used []netip.Prefix) error {
	for _, u := range used {
		if nw.subnets.Net4.IsValid() && u.Bits() > 0 && u.Overlaps(nw.subnets.Net4) {
			nw.record.Subnet = ""
		}
	}
	if nw.record.Subnet != "" {
		return nil
	}
	r := nw.record
	if r.ID == "" {
		r = m.Predefined(state.DefaultNetwork, "bridge")
		r.Created, r.Bridge = time.Now().UTC(), plan.BridgeName(m.Suffix)
	}
	subnet, err := m.Subnet, error(nil)
	if !subnet.IsValid() {
		if subnet, err = plan.Choose(plan.Pool(m.Suffix), used); err != nil {
			return err
		}
	}
	six := plan.UniqueLocal(rand.Text())
	r.Subnet, r.Gateway = subnet.Masked().String(), subnet.Masked().Addr().Next().String()
	r.Subnet6, r.Gateway6 = six.String(), six.Addr().Next().String()
	path := m.Roots.NetworkRecord(r.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return fmt.Errorf("cannot make the network's record: %w", err)
	}
	if err := jsonfile.Write(path, r, jsonfile.Durable); err != nil {
		return err
	}
	nw.record = r
	if nw.subnets, err = plan.ParseSubnets(r); err != nil {
		return err
	}
	nw.pool = m.pool(r, nw.subnets)
	return nil
}

// nameservers are the host's: a network must not cover them.
func nameservers() (used []netip.Prefix) {
	b, _ := os.ReadFile("/etc/resolv.conf")
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(f[1]); err == nil {
			used = append(used, netip.PrefixFrom(ip.WithZone(""), ip.BitLen()))
		}
	}
	return used
}

// address6 is the container's IPv6 address: the wanted one, or the network's
// with the host part of the IPv4 address, which is unique already.
func address6(s plan.Subnets, ip netip.Addr, wanted string) (netip.Addr, error) {
	if wanted != "" {
		a, err := optionalAddr(wanted)
		if err == nil && !s.Net6.Contains(a) {
			err = fmt.Errorf("address %s is not in the network's subnet %s", a, s.Net6)
		}
		return a, err
	}
	b, v4 := s.Net6.Addr().As16(), ip.As4()
	for i := s.Net4.Bits(); i < 32; i++ {
		b[12+i/8] |= v4[i/8] & (0x80 >> (i % 8))
	}
	return netip.AddrFrom16(b), nil
}

// address4 is the IPv4 address that address6 made the address from.
func address4(s plan.Subnets, ip6 netip.Addr) netip.Addr {
	b, v4 := ip6.As16(), s.Net4.Addr().As4()
	for i := s.Net4.Bits(); i < 32; i++ {
		v4[i/8] |= b[12+i/8] & (0x80 >> (i % 8))
	}
	return netip.AddrFrom4(v4)
}

func optionalAddr(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("invalid IP address %q", s)
	}
	return a, nil
}

// previousAddress is the address of the container's last run.
func previousAddress(c dirs.Container, network string) netip.Addr {
	for _, path := range []string{c.Exit(), c.Status()} {
		var st state.Status
		if c.Data == "" || jsonfile.Read(path, &st) != nil {
			continue
		}
		for _, e := range st.Network.Endpoints {
			if ip, err := netip.ParseAddr(e.IP); err == nil && e.Network == network {
				return ip
			}
		}
	}
	return netip.Addr{}
}

// Kernel parameters of the calling thread's network namespace, by path below
// /proc/sys.
func sysctl(path string) string {
	b, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

// setSysctl sets a parameter that has another value; one that the kernel does
// not have is left alone.
func setSysctl(path, value string) error {
	old := sysctl(path)
	if old == value || old == "" {
		return nil
	}
	if err := os.WriteFile("/proc/sys/"+path, []byte(value), 0); err != nil {
		return fmt.Errorf("cannot set %s to %s: %w", strings.ReplaceAll(path, "/", "."), value, err)
	}
	return nil
}

// containerSysctls prepares the container's namespace for its first device.
func containerSysctls(ipv6 bool) error {
	if !ipv6 {
		return setSysctl("net/ipv6/conf/default/disable_ipv6", "1")
	}
	return setSysctl("net/ipv6/conf/default/accept_dad", "0")
}

// hostSysctls lets the host forward packets. As with Docker, that stays on.
func hostSysctls(b plan.Bridge) (warnings []string, err error) {
	if err := setSysctl("net/ipv4/ip_forward", "1"); err != nil {
		return nil, err
	}
	conf6 := "net/ipv6/conf/" + b.Name + "/"
	if err := setSysctl("net/ipv4/conf/"+b.Name+"/route_localnet", "1"); err != nil {
		warnings = append(warnings, fmt.Sprintf("published ports will not answer on 127.0.0.1: %v", err))
	}
	setSysctl(conf6+"accept_ra", "0")
	setSysctl(conf6+"accept_dad", "0") // usable at once: the address is nobody else's
	if !b.Address6.IsValid() {
		setSysctl(conf6+"disable_ipv6", "1")
		return warnings, nil
	}
	if err := setSysctl(conf6+"disable_ipv6", "0"); err != nil {
		return nil, err
	}
	return warnings, forward6()
}

// forward6 turns IPv6 forwarding on without cutting off a host that learns its
// routes from router advertisements: it has to accept them expressly then.
func forward6() error {
	if sysctl("net/ipv6/conf/all/forwarding") != "0" {
		return nil
	}
	devices, _ := os.ReadDir("/proc/sys/net/ipv6/conf")
	for _, d := range devices {
		path := "net/ipv6/conf/" + d.Name() + "/accept_ra"
		if d.Name() != "all" && sysctl(path) == "1" {
			if err := setSysctl(path, "2"); err != nil {
				return err
			}
		}
	}
	return setSysctl("net/ipv6/conf/all/forwarding", "1")
}
