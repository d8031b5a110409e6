// Package ipam hands out the addresses of a network. An address is taken by
// one file, leases/<address>, that holds the container's id and appears whole
// or not at all; no lock is held while one is handed out.
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
	"strings"

	"golang.org/x/sys/unix"

	"skiff/state/lock"
)

var (
	// ErrInUse: the wanted address belongs to another container.
	ErrInUse = errors.New("the address is already in use")
	// ErrExhausted: every address of the network is taken.
	ErrExhausted = errors.New("no free address is left")
)

// Pool is the addresses of one network.
type Pool struct {
	// Dir is the network's directory below the run root.
	Dir     string
	Subnet  netip.Prefix
	Gateway netip.Addr
	// Alive reports whether a container's monitor runs: others' leases are void.
	Alive func(id string) bool
}

// Lease is an address that a container has.
type Lease struct {
	IP   netip.Addr
	Path string // the file to remove, if it still holds the id
	// Reclaimed says that a container that died had it, whose traces (forwards to
	// the address) may be left.
	Reclaimed bool
}

func (p Pool) leases() string             { return filepath.Join(p.Dir, "leases") }
func (p Pool) path(ip netip.Addr) string  { return filepath.Join(p.leases(), ip.String()) }
func (p Pool) hint() string               { return filepath.Join(p.Dir, "next") }
func (p Pool) usable(ip netip.Addr) bool  { return p.Check(ip) == nil }
func (p Pool) broadcast() (ip netip.Addr) { return last(p.Subnet) }

// Check reports why the address cannot be a container's; nil if it can.
func (p Pool) Check(ip netip.Addr) error {
	switch {
	case !p.Subnet.Contains(ip):
		return fmt.Errorf("address %s is not in the network's subnet %s", ip, p.Subnet)
	case ip == p.Gateway:
		return fmt.Errorf("address %s is the network's gateway", ip)
	case ip == p.Subnet.Addr() || ip == p.broadcast():
		return fmt.Errorf("address %s is not a host's address in %s", ip, p.Subnet)
	}
	return nil
}

// Take hands out the address wanted, or else the one preferred if it is free,
// or else the next free one. Both may be zero.
func (p Pool) Take(id string, wanted, preferred netip.Addr) (Lease, error) {
	if err := os.MkdirAll(p.leases(), 0o700); err != nil {
		return Lease{}, fmt.Errorf("cannot take an address: %w", err)
	}
	tmp := filepath.Join(p.Dir, ".lease-"+id)
	if err := writeNew(tmp, id); err != nil {
		return Lease{}, fmt.Errorf("cannot take an address: %w", err)
	}
	defer os.Remove(tmp)
	if wanted.IsValid() {
		if err := p.Check(wanted); err != nil {
			return Lease{}, err
		}
		l, err := p.try(id, tmp, wanted)
		if errors.Is(err, ErrInUse) {
			return Lease{}, fmt.Errorf("address %s: %w", wanted, ErrInUse)
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

// next walks once around the network, beginning after the last address that
// was handed out, so that an address rests before it is used again.
func (p Pool) next(id, tmp string) (Lease, error) {
	first := p.Subnet.Addr().Next()
	ip := p.readHint()
	if !p.Subnet.Contains(ip) {
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
		if ip = ip.Next(); !p.Subnet.Contains(ip) {
			ip, wrapped = first, true
		}
		if wrapped && (ip == start || !ip.Less(start)) {
			return Lease{}, fmt.Errorf("network %s: %w", p.Subnet, ErrExhausted)
		}
	}
}

func (p Pool) try(id, tmp string, ip netip.Addr) (Lease, error) {
	l := Lease{IP: ip, Path: p.path(ip)}
	for range 3 {
		err := os.Link(tmp, l.Path)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, os.ErrExist) {
			return l, fmt.Errorf("cannot take the address %s: %w", ip, err)
		}
		owner, err := os.ReadFile(l.Path)
		if errors.Is(err, os.ErrNotExist) {
			continue // it was given back just now
		}
		if err != nil {
			return l, fmt.Errorf("cannot read the lease of %s: %w", ip, err)
		}
		if string(owner) == id { // left by an earlier run of the same container
			return l, nil
		}
		if p.Alive(string(owner)) {
			return l, ErrInUse
		}
		return p.reclaim(id, tmp, l)
	}
	return l, ErrInUse
}

// reclaim takes a dead container's address over. The lock keeps two who found
// the same lease from removing each other's new one.
func (p Pool) reclaim(id, tmp string, l Lease) (Lease, error) {
	lk, err := lock.Take(filepath.Join(p.Dir, "leases.lock"))
	if err != nil {
		return l, err
	}
	defer lk.Release()
	owner, err := os.ReadFile(l.Path)
	if err == nil && p.Alive(string(owner)) {
		return l, ErrInUse
	}
	if err == nil {
		os.Remove(l.Path)
		l.Reclaimed = true
	}
	if err := os.Link(tmp, l.Path); err != nil {
		return l, ErrInUse
	}
	return l, nil
}

// Owner is the id of the container that has the address, or "".
func (p Pool) Owner(ip netip.Addr) string {
	b, err := os.ReadFile(p.path(ip))
	if err != nil {
		return ""
	}
	return string(b)
}

// Release gives the address back if it is still the container's. What is not
// there is no error.
func (p Pool) Release(id string, ip netip.Addr) error {
	if p.Owner(ip) != id {
		return nil
	}
	lk, err := lock.Take(filepath.Join(p.Dir, "leases.lock"))
	if err != nil {
		return err
	}
	defer lk.Release()
	if p.Owner(ip) != id {
		return nil
	}
	if err := os.Remove(p.path(ip)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot give back the address %s: %w", ip, err)
	}
	return nil
}

// ReleaseAll gives back every address that the container has.
func (p Pool) ReleaseAll(id string) error {
	all, err := p.All()
	var errs []error
	for ip, owner := range all {
		if owner == id {
			errs = append(errs, p.Release(id, ip))
		}
	}
	return errors.Join(append(errs, err)...)
}

// All are the addresses that are taken, with their owners.
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

func writeNew(path, content string) error {
	os.Remove(path) // of an earlier run that was killed here
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// last is the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip
}
