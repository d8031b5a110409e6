package netsetup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/lock"
)

// parent is the device of the host's that the devices of a macvlan or ipvlan
// network sit on.
type parent struct {
	name string
	// base and vid are of a VLAN device that skiff makes where it is missing.
	base string
	vid  int
	// dummy: the device is skiff's, and leads nowhere.
	dummy bool
}

func (p parent) ours() bool { return p.dummy || p.base != "" }

// parentOf finds the parent of a network: the one that is named, one that leads
// nowhere for an internal network, as Docker has it, or the device of the default
// route, as Podman has it.
func parentOf(r state.NetworkRecord, conn *link.Conn) (p parent, err error) {
	switch {
	case r.Parent != "":
		p.name = r.Parent
		if id, ok := plan.VLANOf(r.Parent); ok {
			p.base, p.vid = r.Parent[:strings.LastIndexByte(r.Parent, '.')], id
		}
		return p, nil
	case r.Internal:
		return parent{name: "dm-" + r.ID[:min(12, len(r.ID))], dummy: true}, nil
	}
	if p.name, err = conn.DefaultDevice(); err == nil && p.name == "" {
		err = fmt.Errorf("cannot join network %q: it names no parent device, and this host has no default route", r.Name)
	}
	return p, err
}

// parentFile says whether the network's parent is a device that skiff has made: it
// holds the device's name then, and else nothing.
func (m *Manager) parentFile(network string) string {
	return filepath.Join(m.Roots.Network(network), "parent")
}

func (nw *network) findParent(m *Manager, conn *link.Conn) (ok bool, err error) {
	p, err := parentOf(nw.record, conn)
	if err != nil {
		return false, err
	}
	nw.parent = p.name
	nw.ipv6 = nw.subnets.Net6.IsValid() && hasIPv6()
	if nw.index, ok, err = conn.Index(p.name); err != nil || !ok || !p.ours() {
		return ok, err
	}
	_, err = os.Lstat(m.parentFile(nw.record.Name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// parentsLock guards what the networks say of their parents.
func (m *Manager) parentsLock() (*lock.Lock, error) {
	return lock.Take(filepath.Join(m.Roots.Run, "parents.lock"))
}

// makeParent makes the network's parent device if it can be made and is missing.
func (m *Manager) makeParent(conn *link.Conn, nw *network) error {
	p, err := parentOf(nw.record, conn)
	if err != nil {
		return err
	}
	if !p.ours() {
		return fmt.Errorf("cannot join network %q: its parent device %s is not on this host", nw.record.Name, p.name)
	}
	l, err := m.parentsLock()
	if err != nil {
		return err
	}
	defer l.Release()
	made, err := conn.Parent(p.name, p.base, p.vid)
	if err != nil {
		return fmt.Errorf("cannot join network %q: %w", nw.record.Name, err)
	}
	mark := ""
	if made || m.madeParent(p.name, nw.record.Name) {
		mark = p.name
	}
	if err := os.WriteFile(m.parentFile(nw.record.Name), []byte(mark), 0o600); err != nil {
		if made {
			err = errors.Join(err, conn.Delete(p.name))
		}
		return fmt.Errorf("cannot join network %q: %w", nw.record.Name, err)
	}
	return nil
}

// madeParent says whether another network has a device that skiff has made as its
// parent.
func (m *Manager) madeParent(dev, except string) bool {
	files, _ := filepath.Glob(m.parentFile("*"))
	for _, f := range files {
		if f == m.parentFile(except) {
			continue
		}
		if text, err := os.ReadFile(f); err == nil && string(text) == dev {
			return true
		}
	}
	return false
}

// dropParent removes the network's parent device if skiff has made it and no other
// network has it.
//
// Preconditions: the caller holds the network's lock, and nobody is in it.
func (m *Manager) dropParent(conn *link.Conn, network string) error {
	l, err := m.parentsLock()
	if err != nil {
		return err
	}
	defer l.Release()
	text, err := os.ReadFile(m.parentFile(network))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if dev := string(text); dev != "" && !m.madeParent(dev, network) {
		if err := conn.Delete(dev); err != nil {
			return err
		}
	}
	return os.Remove(m.parentFile(network))
}
