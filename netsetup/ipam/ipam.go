// Package ipam hands out the addresses of a network. An address is taken when
// the directory leases/<address> has an entry, whose name is the container's
// id. No lock is held while one is handed out: renaming a directory over an
// empty one is a single step that fails where somebody was faster. Giving one
// back is removing the entry, which can hit nobody else's.
//
// A container that has no address in a network is in members/ instead, so that
// it, too, keeps the network from being taken down.
//
// Leases live below the run root and end with the boot. Not here: which
// networks there are.
package ipam

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrInUse: the wanted address belongs to another container.
	ErrInUse = errors.New("the address is already in use")
	// ErrExhausted: every address of the network is taken.
	ErrExhausted = errors.New("no free address is left")
)

// Pool is the addresses of one network in one family.
type Pool struct {
	// Dir is the network's directory below the run root.
	Dir     string
	Subnet  netip.Prefix
	Gateway netip.Addr // zero without one
	// First and Last bound what is chosen, not what is asked for; zero means all of
	// the subnet.
	First, Last netip.Addr
	// Reserved are addresses of others.
	Reserved []netip.Addr
	// Alive reports whether a container's monitor runs: others' leases are void.
	Alive func(id string) bool
}

// Lease is an address that a container has.
type Lease struct {
	IP   netip.Addr
	Path string // the entry to remove to give the address back
	// Reclaimed says that a container that died had it, whose traces (forwards to
	// the address) may be left.
	Reclaimed bool
}

func (p Pool) leases() string            { return filepath.Join(p.Dir, "leases") }
func (p Pool) path(ip netip.Addr) string { return filepath.Join(p.leases(), ip.String()) }
func (p Pool) hint() string {
	if p.Subnet.Addr().Is6() {
		return filepath.Join(p.Dir, "next6")
	}
	return filepath.Join(p.Dir, "next")
}
func (p Pool) usable(ip netip.Addr) bool  { return p.Check(ip) == nil }
func (p Pool) broadcast() (ip netip.Addr) { return Last(p.Subnet) }

// Check reports why the address cannot be a container's; nil if it can.
func (p Pool) Check(ip netip.Addr) error {
	switch {
	case !p.Subnet.Contains(ip):
		return fmt.Errorf("address %s is not in the network's subnet %s", ip, p.Subnet)
	case ip == p.Gateway:
		return fmt.Errorf("address %s is the network's gateway", ip)
	case ip == p.Subnet.Addr() || ip.Is4() && ip == p.broadcast():
		return fmt.Errorf("address %s is not a host's address in %s", ip, p.Subnet)
	case slices.Contains(p.Reserved, ip):
		return fmt.Errorf("address %s is reserved in the network", ip)
	}
	return nil
}

// Take hands out the address wanted, or else the one preferred if it is free,
// or else the next free one. Both may be zero.
func (p Pool) Take(id string, wanted, preferred netip.Addr) (Lease, error) {
	if wanted.IsValid() {
		if err := p.Check(wanted); err != nil {
			return Lease{}, err
		}
	}
	// The entry is made aside and moved into place with its directory.
	tmp := filepath.Join(p.Dir, "lease-"+id)
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(p.leases(), 0o700), os.Mkdir(tmp, 0o700), makeEntry(tmp, id)); err != nil {
		return Lease{}, fmt.Errorf("cannot take an address: %w", err)
	}
	l, err := p.take(id, tmp, wanted, preferred)
	if err != nil {
		return Lease{}, errors.Join(err, os.RemoveAll(tmp))
	}
	return l, nil
}

func (p Pool) take(id, tmp string, wanted, preferred netip.Addr) (Lease, error) {
	if wanted.IsValid() {
		l, err := p.try(id, tmp, wanted)
		if errors.Is(err, ErrInUse) {
			err = fmt.Errorf("address %s: %w", wanted, ErrInUse)
		}
		return l, err
	}
	if preferred.IsValid() && p.usable(preferred) {
		if l, err := p.try(id, tmp, preferred); !errors.Is(err, ErrInUse) {
			return l, err
		}
	}
	return p.next(id, tmp)
}

// bounds are the first and the last address to choose from.
func (p Pool) bounds() (first, last netip.Addr) {
	if p.First.IsValid() && p.Last.IsValid() {
		return p.First, p.Last
	}
	return p.Subnet.Addr(), p.broadcast()
}

// next walks once around the range, beginning after the last address that was
// handed out, so that an address rests before it is used again.
func (p Pool) next(id, tmp string) (Lease, error) {
	first, end := p.bounds()
	within := func(ip netip.Addr) bool { return ip.IsValid() && !ip.Less(first) && !end.Less(ip) }
	ip := p.readHint()
	if !within(ip) {
		ip = first
	}
	for start, wrapped := ip, false; ; {
		if p.usable(ip) {
			l, err := p.try(id, tmp, ip)
			if err == nil {
				p.writeHint(ip.Next())
				return l, nil
			}
			if !errors.Is(err, ErrInUse) {
				return Lease{}, err
			}
		}
		if ip = ip.Next(); !within(ip) {
			ip, wrapped = first, true
		}
		if wrapped && (ip == start || !ip.Less(start)) {
			return Lease{}, fmt.Errorf("network %s: %w", p.Subnet, ErrExhausted)
		}
	}
}

func (p Pool) try(id, tmp string, ip netip.Addr) (Lease, error) {
	l := Lease{IP: ip, Path: filepath.Join(p.path(ip), id)}
	for range 5 {
		err := unix.Rename(tmp, p.path(ip))
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST):
			return l, fmt.Errorf("cannot take the address %s: %w", ip, err)
		}
		owner := p.Owner(ip)
		if owner == "" {
			continue // it was given back just now
		}
		if owner != id && p.Alive(owner) {
			return l, ErrInUse
		}
		// A dead container's, or left by an earlier run of the same one.
		l.Reclaimed = true
		if err := os.Remove(filepath.Join(p.path(ip), owner)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return l, fmt.Errorf("cannot take the address %s over: %w", ip, err)
		}
	}
	return l, ErrInUse
}

// Entry is the path of the container's claim on the address.
func (p Pool) Entry(id string, ip netip.Addr) string { return filepath.Join(p.path(ip), id) }

// Owner is the id of the container that has the address, or "".
func (p Pool) Owner(ip netip.Addr) string {
	entries, err := os.ReadDir(p.path(ip))
	if err != nil || len(entries) == 0 {
		return ""
	}
	return entries[0].Name()
}

// Release gives the address back if it is the container's. What is not there
// is no error.
func (p Pool) Release(id string, ip netip.Addr) error {
	if err := os.Remove(filepath.Join(p.path(ip), id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot give back the address %s: %w", ip, err)
	}
	return nil
}

// All are the addresses that are taken in the network, of both families, with
// their owners.
func (p Pool) All() (map[netip.Addr]string, error) {
	entries, err := os.ReadDir(p.leases())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	all := make(map[netip.Addr]string, len(entries))
	for _, e := range entries {
		if ip, err := netip.ParseAddr(e.Name()); err == nil {
			if owner := p.Owner(ip); owner != "" {
				all[ip] = owner
			}
		}
	}
	return all, nil
}

// The hint may be lost or old: it only saves looking at taken addresses.
func (p Pool) readHint() netip.Addr {
	b, err := os.ReadFile(p.hint())
	if err != nil {
		return netip.Addr{}
	}
	ip, _ := netip.ParseAddr(strings.TrimSpace(string(b)))
	return ip
}

func (p Pool) writeHint(ip netip.Addr) {
	fd, err := unix.Open(p.hint(), unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	// One write of one length, so that a reader never sees half of it.
	text := ip.String()
	unix.Pwrite(fd, []byte(text+strings.Repeat(" ", max(0, 40-len(text)))), 0)
}

func (p Pool) members() string { return filepath.Join(p.Dir, "members") }

// Join makes the container a member without an address, and gives the entry to
// remove when it is none any more.
func (p Pool) Join(id string) (entry string, err error) {
	err = os.MkdirAll(p.members(), 0o700)
	if err == nil {
		err = makeEntry(p.members(), id)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("cannot join the network: %w", err)
	}
	return p.Member(id), nil
}

// Member is the path of the entry of a member without an address.
func (p Pool) Member(id string) string { return filepath.Join(p.members(), id) }

// Members are the containers that are in the network without an address.
func (p Pool) Members() ([]string, error) {
	entries, err := os.ReadDir(p.members())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot list a network's members: %w", err)
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Name()
	}
	return ids, nil
}

// Leave removes a member's entry, if it has one.
func (p Pool) Leave(id string) error {
	if err := os.Remove(p.Member(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot leave the network: %w", err)
	}
	return nil
}

func makeEntry(dir, id string) error {
	f, err := os.OpenFile(filepath.Join(dir, id), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// Last is the highest address of a prefix.
func Last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip
}
