package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
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
		{"nat", t.chain("DNAT"), ""}, {"nat", t.chain("SNAT"), ""}, {"nat", t.chain("KEEP"), ""}, {"raw", t.chain("GUARD"), ""},
		{"filter", t.chain("INPUT"), ""}, {"filter", t.chain("FORWARD"), ""},
		{"filter", t.chain("CLOSED"), ""}, {"filter", t.chain("IN"), ""}, {"filter", t.chain("OUT"), ""},
		{"filter", t.chain("OPEN"), ""},
	}
}

// jumps are the rules in the kernel's chains.
func (t *IPTables) jumps() []line {
	return []line{
		{"nat", "PREROUTING", "-m addrtype --dst-type LOCAL -j " + t.chain("DNAT")},
		{"nat", "OUTPUT", "-m addrtype --dst-type LOCAL -j " + t.chain("DNAT")},
		{"nat", "POSTROUTING", "-j " + t.chain("SNAT")},
		{"raw", "PREROUTING", "-j " + t.chain("GUARD")},
		{"filter", "INPUT", "-j " + t.chain("INPUT")},
		{"filter", "FORWARD", "-j " + t.chain("FORWARD")},
	}
}

// fixed are the rules in our chains that depend on no network.
func (t *IPTables) fixed(six bool) []line {
	ls := []line{
		{"nat", t.chain("SNAT"), "-j " + t.chain("KEEP")},
		{"filter", t.chain("FORWARD"), "-j " + t.chain("CLOSED")},
		{"filter", t.chain("FORWARD"), "-j " + t.chain("IN")},
		{"filter", t.chain("FORWARD"), "-j " + t.chain("OUT")},
	}
	if !six {
		ls = append(ls, line{"raw", t.chain("GUARD"), "-d 127.0.0.0/8 ! -i lo -j DROP"})
	}
	return ls
}

// network are the rules of one network: the same as those of NFT, which has sets
// for them.
func (t *IPTables) network(nw Network, six bool) []line {
	subnet := nw.Subnet
	if six {
		subnet = nw.Subnet6
	}
	if !subnet.IsValid() {
		return nil
	}
	return append(t.translation(nw, subnet), t.isolation(nw)...)
}

// translation are the rules in the table nat. KEEP has what is not translated on its
// way to an open network.
func (t *IPTables) translation(nw Network, subnet netip.Prefix) (ls []line) {
	br, snat := nw.Bridge, t.chain("SNAT")
	if nw.Open && subnet.Addr().Is4() {
		ls = append(ls, line{"nat", t.chain("KEEP"), fmt.Sprintf("! -s 127.0.0.0/8 -o %s -m conntrack ! --ctstate DNAT -j ACCEPT", br)})
	} else if nw.Open {
		ls = append(ls, line{"nat", t.chain("KEEP"), fmt.Sprintf("-o %s -m conntrack ! --ctstate DNAT -j ACCEPT", br)})
	}
	if !nw.NoMasquerade && !nw.Internal {
		ls = append(ls, line{"nat", snat, fmt.Sprintf("-s %s ! -o %s -j MASQUERADE", subnet, br)})
	}
	if subnet.Addr().Is4() {
		ls = append(ls, line{"nat", snat, fmt.Sprintf("-s 127.0.0.0/8 -o %s -j MASQUERADE", br)})
	}
	return append(ls, line{"nat", snat, fmt.Sprintf("-s %s -o %s -m conntrack --ctstate DNAT -j MASQUERADE", subnet, br)})
}

// isolation are the rules in the table filter: CLOSED has those of internal
// networks, IN and OUT what comes in and goes out, OPEN the networks from where an
// open one is reached.
func (t *IPTables) isolation(nw Network) (ls []line) {
	br, in := nw.Bridge, t.chain("IN")
	add := func(chain, format string, args ...any) {
		ls = append(ls, line{"filter", chain, fmt.Sprintf(format, args...)})
	}
	if nw.Internal {
		add(t.chain("INPUT"), "-i %s -m conntrack --ctstate INVALID,NEW -j DROP", br)
		add(t.chain("CLOSED"), "-i %s ! -o %s -j DROP", br, br)
		add(t.chain("CLOSED"), "! -i %s -o %s -j DROP", br, br)
	}
	add(in, "-o %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", br)
	add(in, "-o %s -m conntrack --ctstate DNAT -j ACCEPT", br)
	if !nw.Apart {
		add(in, "-i %s -o %s -j ACCEPT", br, br)
	}
	if nw.Open {
		add(t.chain("OPEN"), "-i %s -j ACCEPT", br)
		add(in, "-o %s ! -i %s -j %s", br, br, t.chain("OPEN"))
	}
	add(in, "-o %s -j DROP", br)
	add(t.chain("OUT"), "-i %s -j ACCEPT", br)
	return ls
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

// families calls do for each family that the network has.
func families(nw Network, do func(six bool) error) error {
	if nw.Subnet.IsValid() || !nw.Subnet6.IsValid() {
		if err := do(false); err != nil {
			return err
		}
	}
	if !nw.Subnet6.IsValid() {
		return nil
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
	have, err := t.published(six)
	if err != nil {
		return err
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
		have, err := t.published(six)
		errs = append(errs, err)
		var b strings.Builder
		for _, rule := range have {
			if f, ok := parseForward(rule); ok && slices.Contains(fs, f) {
				b.WriteString("-D " + strings.TrimPrefix(rule, "-A ") + "\n")
			}
		}
		if b.Len() > 0 {
			errs = append(errs, runRestore(six, "*nat\n"+b.String()+"COMMIT\n"))
		}
	}
	return errors.Join(errs...)
}

// published are the rules of published ports, as iptables -S prints them; none
// where there is no such family or chain.
func (t *IPTables) published(six bool) ([]string, error) {
	ipt, err := open(six, "")
	if err != nil {
		return nil, nil
	}
	if ok, err := ipt.ChainExists("nat", t.chain("DNAT")); !ok || err != nil {
		return nil, err
	}
	have, err := ipt.List("nat", t.chain("DNAT"))
	if err != nil {
		return nil, fmt.Errorf("cannot list published ports: %w", err)
	}
	return have, nil
}

// parseForward reads a rule that dnat made, as iptables -S prints it.
func parseForward(rule string) (f Forward, ok bool) {
	to, ok := destination(rule)
	if !ok {
		return f, false
	}
	f.To = to
	host, port := netip.IPv4Unspecified(), uint64(0)
	if to.Addr().Is6() {
		host = netip.IPv6Unspecified()
	}
	w := strings.Fields(rule)
	for i := 1; i < len(w)-1; i++ {
		var err error
		switch {
		case w[i] == "-d" && w[i-1] != "!":
			var p netip.Prefix
			if p, err = netip.ParsePrefix(w[i+1]); err == nil {
				host = p.Addr()
			} else {
				host, err = netip.ParseAddr(w[i+1])
			}
		case w[i] == "-p":
			f.Proto = w[i+1]
		case w[i] == "--dport":
			port, err = strconv.ParseUint(w[i+1], 10, 16)
		}
		if err != nil {
			return f, false
		}
	}
	f.Host = netip.AddrPortFrom(host, uint16(port))
	return f, f.Proto != "" && port != 0
}

// Restore makes the rules complete after somebody took some away, see NFT.Restore.
func (t *IPTables) Restore(nws []Network, fs []Forward) error {
	for _, nw := range nws {
		if err := t.AddNetwork(nw); err != nil {
			return err
		}
	}
	for _, six := range []bool{false, true} {
		have, err := t.published(six)
		if err != nil {
			return err
		}
		lost := slices.Clone(fs)
		for _, rule := range have {
			if f, ok := parseForward(rule); ok {
				lost = slices.DeleteFunc(lost, func(l Forward) bool { return l == f })
			}
		}
		if input := t.restore(lost, six); input != "" {
			if err := runRestore(six, input); err != nil {
				return err
			}
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

// AddNetwork makes the network's rules those that there are of it.
func (t *IPTables) AddNetwork(nw Network) error {
	err := families(nw, func(six bool) error {
		ipt, err := open(six, "")
		if err != nil {
			return err
		}
		return t.addNetwork(ipt, nw, six)
	})
	if err != nil || nw.Subnet.IsValid() && nw.Subnet6.IsValid() {
		return errors.Join(err, passFirewalld([]Network{nw}))
	}
	if ipt, err := open(nw.Subnet.IsValid(), ""); err == nil {
		err = t.removeNetwork(ipt, nw) // it may have had the other family
		if err != nil {
			return fmt.Errorf("cannot set up the firewall: %w", err)
		}
	}
	return passFirewalld([]Network{nw}) // other rules of FORWARD come after ours
}

func (t *IPTables) addNetwork(ipt *iptables.IPTables, nw Network, six bool) error {
	have := map[string][]string{}
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
		if err == nil {
			have[c.chain], err = ipt.List(c.table, c.chain)
		}
		if err != nil {
			return fmt.Errorf("cannot set up the firewall: %w", err)
		}
	}
	if err := t.dropStale(ipt, nw, six, have); err != nil {
		return fmt.Errorf("cannot set up the firewall: %w", err)
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

// dropStale takes away what there is of the network where that is not what it is to
// be: its order matters, so a difference replaces all of it.
func (t *IPTables) dropStale(ipt *iptables.IPTables, nw Network, six bool, have map[string][]string) error {
	want := map[string][]string{}
	for _, l := range t.network(nw, six) {
		want[l.chain] = append(want[l.chain], strings.Join(normal(l.words()), " "))
	}
	for _, c := range t.own() {
		var mine [][]string
		var text []string
		for _, rule := range have[c.chain] {
			w := strings.Fields(rule)
			if len(w) < 3 || w[0] != "-A" || !concerns(w[2:], nw.Bridge) {
				continue
			}
			mine = append(mine, w[2:])
			text = append(text, strings.Join(normal(w[2:]), " "))
		}
		if slices.Equal(text, want[c.chain]) {
			continue
		}
		for _, w := range mine {
			if err := ipt.Delete(c.table, c.chain, w...); err != nil {
				return err
			}
		}
	}
	return nil
}

// concerns says whether a rule is about the device.
func concerns(rule []string, dev string) bool {
	for i := range len(rule) - 1 {
		if (rule[i] == "-i" || rule[i] == "-o") && rule[i+1] == dev {
			return true
		}
	}
	return false
}

// normal is a rule's words in an order that does not depend on who wrote it.
func normal(rule []string) []string {
	var parts []string
	for i := 0; i < len(rule); i++ {
		part := rule[i]
		if part == "!" && i+1 < len(rule) {
			i++
			part += " " + rule[i]
		}
		for i+1 < len(rule) && rule[i+1][0] != '-' && rule[i+1] != "!" {
			i++
			part += " " + rule[i]
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	return parts
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
		errs = append(errs, t.removeNetwork(ipt, nw))
	}
	return errors.Join(append(errs, unpassFirewalld(nw))...)
}

func (t *IPTables) removeNetwork(ipt *iptables.IPTables, nw Network) error {
	out := t.chain("OUT")
	if ok, err := ipt.ChainExists("filter", out); !ok || err != nil {
		return err
	}
	have := map[string][]string{}
	for _, c := range t.own() {
		rules, err := ipt.List(c.table, c.chain)
		if err != nil {
			continue // made by a version that did not have it
		}
		have[c.chain] = rules
	}
	if err := t.dropStale(ipt, Network{Bridge: nw.Bridge}, false, have); err != nil {
		return err
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
