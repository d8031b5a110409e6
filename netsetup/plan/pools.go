package plan

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// UserPool is a range that subnets of one size are cut from. containers.conf:
// network.default_subnet_pools.
type UserPool struct {
	Base netip.Prefix
	Bits int // of each subnet
}

// UserPools are where the subnets of users' networks come from. A /22 has room
// for as many containers as a bridge of Linux takes. The ranges are away from
// Docker's first choices, Podman's, and from those that Kubernetes uses by
// default (10.96.0.0/12).
func UserPools() []UserPool {
	return []UserPool{
		{netip.MustParsePrefix("10.112.0.0/12"), 22},
		{netip.MustParsePrefix("172.24.0.0/13"), 22},
		{netip.MustParsePrefix("192.168.128.0/17"), 24},
	}
}

// ChooseUser gives the first IPv4 subnet of the pools that overlaps none of
// those used.
func ChooseUser(pools []UserPool, used []netip.Prefix) (netip.Prefix, error) {
	for _, pool := range pools {
		if !pool.Base.Addr().Is4() {
			continue
		}
		for p := netip.PrefixFrom(pool.Base.Masked().Addr(), pool.Bits); pool.Base.Contains(p.Addr()); {
			clash, ok := overlapping(p, used)
			if !ok {
				return p, nil
			}
			p = after(p, clash)
			if !p.IsValid() {
				break
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("cannot find a free subnet: give one with --subnet, or remove networks that nobody uses (network prune)")
}

func overlapping(p netip.Prefix, used []netip.Prefix) (netip.Prefix, bool) {
	for _, u := range used {
		if u.Bits() > 0 && u.Overlaps(p) {
			return u, true
		}
	}
	return netip.Prefix{}, false
}

// after is the first prefix of p's size behind both p and clash.
func after(p, clash netip.Prefix) netip.Prefix {
	wider := p
	if clash.Bits() < p.Bits() {
		wider = clash
	}
	b := wider.Masked().Addr().As4()
	n := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	if n += 1 << (32 - wider.Bits()); n >= 1<<32 {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), p.Bits())
}

// VLANOf reads the VLAN id off a device's name such as eth0.30.
func VLANOf(device string) (id int, ok bool) {
	i := strings.LastIndexByte(device, '.')
	if i <= 0 {
		return 0, false
	}
	id, err := strconv.Atoi(device[i+1:])
	return id, err == nil && id >= 1 && id <= 4094
}
