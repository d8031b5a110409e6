package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/coreos/go-iptables/iptables"
)

// IPTables keeps the same rules through the iptables programs, for hosts
// without nf_tables and for users who want to see them there. The chains of
// iptables cannot hold maps: each published port is a rule.
type IPTables struct {
	// Suffix goes into the names of the chains; empty for the default data root.
	Suffix string
}

// A line is one rule of iptables.
type line struct {
	table, chain string
	spec         string
}

func (l line) words() []string { return strings.Fields(l.spec) }

func (t *IPTables) chain(name string) string {
	if t.Suffix == "" {
		return "SKIFF-" + name
	}
	return "SKIFF-" + name + "-" + t.Suffix[:min(12, len(t.Suffix))]
}

// own are our chains, in the order in which they can be removed.
func (t *IPTables) own() []line {
	return []line{
		{"nat", t.chain("DNAT"), ""}, {"nat", t.chain("SNAT"), ""}, {"raw", t.chain("GUARD"), ""},
		{"filter", t.chain("FORWARD"), ""}, {"filter", t.chain("IN"), ""}, {"filter", t.chain("OUT"), ""},
	}
}

// jumps are the rules in the kernel's chains.
func (t *IPTables) jumps() []line {
	return []line{
		{"nat", "PREROUTING", "-m addrtype --dst-type LOCAL -j " + t.chain("DNAT")},
		{"nat", "OUTPUT", "-m addrtype --dst-type LOCAL -j " + t.chain("DNAT")},
		{"nat", "POSTROUTING", "-j " + t.chain("SNAT")},
		{"raw", "PREROUTING", "-j " + t.chain("GUARD")},
		{"filter", "FORWARD", "-j " + t.chain("FORWARD")},
	}
}

// fixed are the rules in our chains that depend on no network.
func (t *IPTables) fixed(six bool) []line {
	ls := []line{
		{"filter", t.chain("FORWARD"), "-j " + t.chain("IN")},
		{"filter", t.chain("FORWARD"), "-j " + t.chain("OUT")},
	}
	if !six {
		ls = append(ls, line{"raw", t.chain("GUARD"), "-d 127.0.0.0/8 ! -i lo -j DROP"})
	}
	return ls
}

// network are the rules of one network.
func (t *IPTables) network(nw Network, six bool) []line {
	br, subnet := nw.Bridge, nw.Subnet
	if six {
		subnet = nw.Subnet6
	}
	if !subnet.IsValid() {
		return nil
	}
	snat, in, out := t.chain("SNAT"), t.chain("IN"), t.chain("OUT")
	ls := []line{{"nat", snat, fmt.Sprintf("-s %s ! -o %s -j MASQUERADE", subnet, br)}}
	if !six {
		ls = append(ls, line{"nat", snat, fmt.Sprintf("-s 127.0.0.0/8 -o %s -j MASQUERADE", br)})
	}
	return append(ls,
		line{"nat", snat, fmt.Sprintf("-s %s -o %s -m conntrack --ctstate DNAT -j MASQUERADE", subnet, br)},
		line{"filter", in, fmt.Sprintf("-o %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", br)},
		line{"filter", in, fmt.Sprintf("-o %s -m conntrack --ctstate DNAT -j ACCEPT", br)},
		line{"filter", in, fmt.Sprintf("-i %s -o %s -j ACCEPT", br, br)},
		line{"filter", in, fmt.Sprintf("-o %s -j DROP", br)},
		line{"filter", out, fmt.Sprintf("-i %s -j ACCEPT", br)})
}

// restore is the input of iptables-restore that publishes the forwards of one
// family. One on a single address goes in front of those on all.
func (t *IPTables) restore(fs []Forward, six bool) string {
	var b strings.Builder
	for _, f := range fs {
		if f.Host.Addr().Is6() != six {
			continue
		}
		how := "-A"
		if !f.Host.Addr().IsUnspecified() {
			how = "-I"
		}
		fmt.Fprintf(&b, "%s %s%s\n", how, t.chain("DNAT"), dnat(f))
	}
	if b.Len() == 0 {
		return ""
	}
	return "*nat\n" + b.String() + "COMMIT\n"
}

// dnat is the rule of one forward, without its chain.
func dnat(f Forward) string {
	dst := ""
	switch {
	case !f.Host.Addr().IsUnspecified():
		dst = " -d " + f.Host.Addr().String()
	case f.Host.Addr().Is6():
		dst = " ! -d ::1"
	}
	return fmt.Sprintf("%s -p %s --dport %d -j DNAT --to-destination %s", dst, f.Proto, f.Host.Port(), f.To)
}

func open(six bool, path string) (*iptables.IPTables, error) {
	proto := iptables.ProtocolIPv4
	if six {
		proto = iptables.ProtocolIPv6
	}
	t, err := iptables.New(iptables.IPFamily(proto), iptables.Timeout(10), iptables.Path(path))
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("iptables: %w: it is not installed", ErrUnsupported)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use iptables: %w", err)
	}
	return t, nil
}

// families calls do for IPv4, and for IPv6 where the network has it.
func families(nw Network, do func(six bool) error) error {
	if err := do(false); err != nil || !nw.Subnet6.IsValid() {
		return err
	}
	return do(true)
}

// Add publishes the forwards of one container; see NFT.Add.
func (t *IPTables) Add(nw Network, fs []Forward) (remade bool, err error) {
	err = families(nw, func(six bool) error {
		ipt, err := open(six, "")
		if err != nil {
			return err
		}
		ok, err := ipt.ChainExists("nat", t.chain("DNAT"))
		if err != nil {
			return fmt.Errorf("cannot set up the firewall: %w", err)
		}
		if !ok {
			remade = true
			if err := t.addNetwork(ipt, nw, six); err != nil {
				return err
			}
		}
		if input := t.restore(fs, six); input != "" {
			return runRestore(six, input)
		}
		return nil
	})
	return remade, err
}

func runRestore(six bool, input string) error {
	name := "iptables-restore"
	if six {
		name = "ip6tables-restore"
	}
	cmd := exec.Command(name, "--noflush", "--wait", "10")
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("cannot set up the firewall: %s: %v %s", name, err, said)
	}
	return nil
}

// Undo has nothing to give: only the programs can remove rules.
func (t *IPTables) Undo([]Forward) ([][]byte, error) { return nil, nil }

// Forget takes away every forward to an address of the list.
func (t *IPTables) Forget(addrs []netip.Addr) error {
	var errs []error
	for _, six := range []bool{false, true} {
		var mine []netip.Addr
		for _, a := range addrs {
			if a.Is6() == six {
				mine = append(mine, a)
			}
		}
		if len(mine) > 0 {
			errs = append(errs, t.forget(mine, six))
		}
	}
	return errors.Join(errs...)
}

func (t *IPTables) forget(addrs []netip.Addr, six bool) error {
	ipt, err := open(six, "")
	if err != nil {
		return err
	}
	if ok, err := ipt.ChainExists("nat", t.chain("DNAT")); !ok || err != nil {
		return err
	}
	have, err := ipt.List("nat", t.chain("DNAT"))
	if err != nil {
		return fmt.Errorf("cannot list published ports: %w", err)
	}
	if input := deletions(have, addrs); input != "" {
		return runRestore(six, input)
	}
	return nil
}

// Remove takes single forwards of a running container away; those that are gone
// already are no error.
func (t *IPTables) Remove(fs []Forward) error {
	var errs []error
	for _, six := range []bool{false, true} {
		mine := slices.DeleteFunc(slices.Clone(fs), func(f Forward) bool { return f.Host.Addr().Is6() != six })
		if len(mine) > 0 {
			errs = append(errs, t.remove(mine, six))
		}
	}
	return errors.Join(errs...)
}

func (t *IPTables) remove(fs []Forward, six bool) error {
	ipt, err := open(six, "")
	if err != nil {
		return err
	}
	for _, f := range fs {
		if err := ipt.DeleteIfExists("nat", t.chain("DNAT"), strings.Fields(dnat(f))...); err != nil {
			return fmt.Errorf("cannot remove published port %d/%s: %w", f.Host.Port(), f.Proto, err)
		}
	}
	return nil
}

// deletions is the input of iptables-restore that removes those of the rules
// (as iptables -S prints them) that lead to one of the addresses.
func deletions(have []string, addrs []netip.Addr) string {
	var b strings.Builder
	for _, r := range have {
		dst, ok := destination(r)
		rest, isRule := strings.CutPrefix(r, "-A ")
		if !ok || !isRule {
			continue
		}
		for _, a := range addrs {
			if dst.Addr() == a {
				b.WriteString("-D " + rest + "\n")
			}
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "*nat\n" + b.String() + "COMMIT\n"
}

// AddNetwork adds the network's rules; those that are there stay.
func (t *IPTables) AddNetwork(nw Network) error {
	return families(nw, func(six bool) error {
		ipt, err := open(six, "")
		if err != nil {
			return err
		}
		return t.addNetwork(ipt, nw, six)
	})
}

func (t *IPTables) addNetwork(ipt *iptables.IPTables, nw Network, six bool) error {
	for _, c := range t.own() {
		ok, err := ipt.ChainExists(c.table, c.chain)
		if err == nil && !ok {
			if err = ipt.NewChain(c.table, c.chain); err != nil {
				// Another start may have made it meanwhile.
				if ok, e := ipt.ChainExists(c.table, c.chain); ok && e == nil {
					err = nil
				}
			}
		}
		if err != nil {
			return fmt.Errorf("cannot set up the firewall: %w", err)
		}
	}
	for _, l := range append(t.fixed(six), t.network(nw, six)...) {
		if err := ipt.AppendUnique(l.table, l.chain, l.words()...); err != nil {
			return fmt.Errorf("cannot set up the firewall: %w", err)
		}
	}
	for _, l := range t.jumps() {
		if err := ipt.InsertUnique(l.table, l.chain, 1, l.words()...); err != nil {
			return fmt.Errorf("cannot set up the firewall: %w", err)
		}
	}
	return nil
}

// RemoveNetwork takes the network's rules away, and our chains with the last
// network.
func (t *IPTables) RemoveNetwork(nw Network) error {
	var errs []error
	for _, six := range []bool{false, true} {
		ipt, err := open(six, "")
		if err != nil {
			if !six {
				errs = append(errs, err)
			}
			continue
		}
		errs = append(errs, t.removeNetwork(ipt, nw, six))
	}
	return errors.Join(errs...)
}

func (t *IPTables) removeNetwork(ipt *iptables.IPTables, nw Network, six bool) error {
	out := t.chain("OUT")
	if ok, err := ipt.ChainExists("filter", out); !ok || err != nil {
		return err
	}
	for _, l := range t.network(nw, six) {
		if err := ipt.DeleteIfExists(l.table, l.chain, l.words()...); err != nil {
			return err
		}
	}
	left, err := ipt.List("filter", out)
	if err != nil || len(left) > 1 { // the first is the chain itself
		return err
	}
	var errs []error
	for _, l := range t.jumps() {
		errs = append(errs, ipt.DeleteIfExists(l.table, l.chain, l.words()...))
	}
	for _, c := range t.own() {
		errs = append(errs, ipt.ClearChain(c.table, c.chain))
	}
	for _, c := range t.own() {
		errs = append(errs, ipt.DeleteChain(c.table, c.chain))
	}
	return errors.Join(errs...)
}
