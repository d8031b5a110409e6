package firewall

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/google/nftables"
)

// A packet has to be accepted by every table that looks at it. Docker, ufw and
// others let the FORWARD chain of iptables drop what they do not know; there
// our networks need rules, too. Our own table drops what must not get in, so
// that these can be broad.

// foreign are the iptables programs whose FORWARD chain drops by policy.
func foreign() (paths []string) {
	if nftDrops() {
		paths = append(paths, program("iptables-nft"))
	}
	if legacyDrops() {
		paths = append(paths, program("iptables-legacy"))
	}
	return slices.DeleteFunc(paths, func(p string) bool { return p == "" })
}

func program(name string) string {
	for _, n := range []string{name, "iptables"} {
		if p, err := exec.LookPath(n); err == nil {
			return p
		}
	}
	return ""
}

func nftDrops() bool {
	c, err := nftables.New()
	if err != nil {
		return false
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return false
	}
	for _, ch := range chains {
		if ch.Table.Name == "filter" && ch.Name == "FORWARD" && ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop {
			return true
		}
	}
	return false
}

func legacyDrops() bool {
	tables, err := os.ReadFile("/proc/net/ip_tables_names")
	if err != nil || !slices.Contains(strings.Fields(string(tables)), "filter") {
		return false
	}
	path, err := exec.LookPath("iptables-legacy")
	if err != nil {
		return false
	}
	out, err := exec.Command(path, "-S", "FORWARD").Output()
	return err == nil && strings.Contains(string(out), "-P FORWARD DROP")
}

func forwardRules(nw Network) []line {
	return []line{
		{"filter", "FORWARD", fmt.Sprintf("-i %s -m comment --comment skiff -j ACCEPT", nw.Bridge)},
		{"filter", "FORWARD", fmt.Sprintf("-o %s -m comment --comment skiff -j ACCEPT", nw.Bridge)},
	}
}

// passForeign makes others' FORWARD chains let the network's packets through.
func passForeign(nw Network) error {
	for _, path := range foreign() {
		ipt, err := open(false, path)
		if err != nil {
			return err
		}
		for _, l := range forwardRules(nw) {
			if err := ipt.InsertUnique(l.table, l.chain, 1, l.words()...); err != nil {
				return fmt.Errorf("cannot pass the host's FORWARD rules: %w", err)
			}
		}
	}
	return nil
}

// unpassForeign takes the rules of passForeign away.
func unpassForeign(nw Network) error {
	var errs []error
	for _, path := range foreign() {
		ipt, err := open(false, path)
		if err != nil {
			return err
		}
		for _, l := range forwardRules(nw) {
			errs = append(errs, ipt.DeleteIfExists(l.table, l.chain, l.words()...))
		}
	}
	return errors.Join(errs...)
}
