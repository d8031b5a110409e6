package netsetup

import (
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

	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

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

// Networks are the records that there are; the default network has one once it
// was used.
func (m *Manager) Networks() ([]state.NetworkRecord, error) {
	paths, err := filepath.Glob(m.Roots.NetworkRecord("*"))
	if err != nil {
		return nil, err
	}
	var all []state.NetworkRecord
	var errs []error
	for _, p := range paths {
		name := filepath.Base(p)
		r, err := m.LoadNetwork(name[:len(name)-len(".json")])
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, r)
	}
	return all, errors.Join(errs...)
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

// RemoveRecord removes a network that no container is in: its devices, rules and
// record.
func (m *Manager) RemoveRecord(name string) error {
	r, err := m.LoadNetwork(name)
	if err != nil {
		return err
	}
	fw, err := m.applier()
	if err != nil {
		return err
	}
	if err := m.collect(fw, r); err != nil {
		return err
	}
	if jsonfile.Exists(m.Roots.Network(name)) {
		return fmt.Errorf("cannot remove network %q: %w", name, lock.ErrBusy)
	}
	if err := os.Remove(m.Roots.NetworkRecord(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove network %q: %w", name, err)
	}
	return nil
}
