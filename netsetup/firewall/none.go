package firewall

import "net/netip"

// None leaves the firewall alone: containers reach what the host's own rules
// let them reach. containers.conf: firewall_driver = "none".
type None struct{}

// Add does nothing.
func (None) Add(Network, []Forward) (remade bool, err error) { return false, nil }

// Undo has nothing to undo.
func (None) Undo([]Forward) ([][]byte, error) { return nil, nil }

// Remove has nothing to remove.
func (None) Remove([]Forward) error { return nil }

// Forget does nothing.
func (None) Forget([]netip.Addr) error { return nil }

// Targets are none.
func (None) Targets() ([]netip.Addr, error) { return nil, nil }

// AddNetwork does nothing.
func (None) AddNetwork(Network) error { return nil }

// RemoveNetwork does nothing.
func (None) RemoveNetwork(Network) error { return nil }

// Restore does nothing.
func (None) Restore([]Network, []Forward) error { return nil }
