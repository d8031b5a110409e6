package firewall

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// A packet has to be accepted by every table that looks at it. Docker, ufw and
// others let the FORWARD chain of iptables drop what they do not know; there
// our networks need rules, too. Our own table drops what must not get in, so
// that these can be broad. firewalld has to be told, see firewalld.go.

// A dropper is a family whose FORWARD chain drops by policy, and the program to
// change it with.
type dropper struct {
	six  bool
	path string
}

// droppers are those of this host, and those whose chain has rules of the bridge, if
// one is named.
func droppers(bridge string) (out []dropper) {
	for _, six := range []bool{false, true} {
		name := "iptables"
		if six {
			name = "ip6tables"
		}
		if nftDrops(six, bridge) {
			out = append(out, dropper{six, program(name+"-nft", name)})
		}
		if legacyDrops(six, name+"-legacy", bridge) {
			out = append(out, dropper{six, program(name+"-legacy", name)})
		}
	}
	return slices.DeleteFunc(out, func(d dropper) bool { return d.path == "" })
}

func program(names ...string) string {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p
		}
	}
	return ""
}

func nftDrops(six bool, bridge string) bool {
	c, err := nftables.New()
	if err != nil {
		return false
	}
	family := nftables.TableFamilyIPv4
	if six {
		family = nftables.TableFamilyIPv6
	}
	chains, err := c.ListChainsOfTableFamily(family)
	if err != nil {
		return false
	}
	for _, ch := range chains {
		if ch.Table.Name != "filter" || ch.Name != "FORWARD" {
			continue
		}
		if ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop {
			return true
		}
		rules, err := c.GetRules(ch.Table, ch)
		return err != nil || bridge != "" && slices.ContainsFunc(rules, func(r *nftables.Rule) bool { return names(r, bridge) })
	}
	return false
}

// names says whether a rule compares something with the device's name.
func names(r *nftables.Rule, dev string) bool {
	return slices.ContainsFunc(r.Exprs, func(e expr.Any) bool {
		c, ok := e.(*expr.Cmp)
		return ok && string(bytes.TrimRight(c.Data, "\x00")) == dev
	})
}

func legacyDrops(six bool, name, bridge string) bool {
	if !legacyFilter(six) {
		return false
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return false
	}
	out, err := exec.Command(path, "-S", "FORWARD").Output()
	return err == nil && (strings.Contains(string(out), "-P FORWARD DROP") ||
		bridge != "" && strings.Contains(string(out), " "+bridge+" "))
}

// legacyFilter says whether this network namespace has a filter table of old.
func legacyFilter(six bool) bool {
	file := "/proc/net/ip_tables_names"
	if six {
		file = "/proc/net/ip6_tables_names"
	}
	tables, err := os.ReadFile(file)
	return err == nil && slices.Contains(strings.Fields(string(tables)), "filter")
}

func forwardRules(nw Network) []line {
	return []line{
		{"filter", "FORWARD", fmt.Sprintf("-i %s -m comment --comment skiff -j ACCEPT", nw.Bridge)},
		{"filter", "FORWARD", fmt.Sprintf("-o %s -m comment --comment skiff -j ACCEPT", nw.Bridge)},
	}
}

// passForeign makes others' rules let the networks' packets through.
func passForeign(nws []Network) error {
	for _, d := range droppers("") {
		ipt, err := open(d.six, d.path)
		if err != nil {
			return err
		}
		for _, nw := range nws {
			for _, l := range forwardRules(nw) {
				if err := ipt.InsertUnique(l.table, l.chain, 1, l.words()...); err != nil {
					return fmt.Errorf("cannot pass the host's FORWARD rules: %w", err)
				}
			}
		}
	}
	return passFirewalld(nws)
}

// unpassForeign takes away what passForeign did.
func unpassForeign(nw Network) error {
	var errs []error
	for _, d := range droppers(nw.Bridge) {
		ipt, err := open(d.six, d.path)
		if err != nil {
			return err
		}
		for _, l := range forwardRules(nw) {
			errs = append(errs, ipt.DeleteIfExists(l.table, l.chain, l.words()...))
		}
	}
	return errors.Join(append(errs, unpassFirewalld(nw))...)
}
