package netsetup

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"skiff/netsetup/plan"
)

// Kernel parameters of the calling thread's network namespace, by path below
// /proc/sys.
func sysctl(path string) string {
	b, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

// setSysctl sets a parameter that has another value; one that the kernel does
// not have is left alone.
func setSysctl(path, value string) error {
	old := sysctl(path)
	if old == value || old == "" {
		return nil
	}
	if err := os.WriteFile("/proc/sys/"+path, []byte(value), 0); err != nil {
		return fmt.Errorf("cannot set %s to %s: %w", strings.ReplaceAll(path, "/", "."), value, err)
	}
	return nil
}

// hasIPv6 says whether the kernel has IPv6 and it is not turned off.
func hasIPv6() bool { return sysctl("net/ipv6/conf/all/disable_ipv6") == "0" }

// deviceSysctls prepares the container's device, from within its namespace.
func deviceSysctls(ep plan.Endpoint) error {
	conf := "net/ipv6/conf/" + ep.Device.Name + "/"
	if len(ep.Addresses) > 0 { // else somebody in the network gives addresses
		if !ep.IPv6 {
			if err := setSysctl(conf+"disable_ipv6", "1"); err != nil {
				return err
			}
		} else if err := ipv6Sysctls(conf, ep); err != nil {
			return err
		}
	}
	for _, kv := range ep.Sysctls {
		if err := os.WriteFile("/proc/sys/"+kv[0], []byte(kv[1]), 0); err != nil {
			return fmt.Errorf("cannot set %s to %s: %w", strings.ReplaceAll(kv[0], "/", "."), kv[1], err)
		}
	}
	return nil
}

func ipv6Sysctls(conf string, ep plan.Endpoint) error {
	if err := setSysctl(conf+"disable_ipv6", "0"); err != nil {
		return err
	}
	if ep.Status.Gateway6 != "" {
		// Another container could become the way out by an advertisement.
		if err := setSysctl(conf+"accept_ra", "0"); err != nil {
			return err
		}
	}
	return setSysctl(conf+"accept_dad", "0")
}

// hostSysctls lets the host forward packets. As with Docker, that stays on.
func hostSysctls(b plan.Bridge) (warnings []string, err error) {
	if err := setSysctl("net/ipv4/ip_forward", "1"); err != nil {
		return nil, err
	}
	conf6 := "net/ipv6/conf/" + b.Name + "/"
	if err := setSysctl("net/ipv4/conf/"+b.Name+"/route_localnet", "1"); err != nil {
		warnings = append(warnings, fmt.Sprintf("published ports will not answer on 127.0.0.1: %v", err))
	}
	setSysctl(conf6+"accept_ra", "0")
	setSysctl(conf6+"accept_dad", "0") // usable at once: the address is nobody else's
	if !b.Address6.IsValid() {
		setSysctl(conf6+"disable_ipv6", "1")
		return warnings, nil
	}
	if err := setSysctl(conf6+"disable_ipv6", "0"); err != nil {
		return nil, err
	}
	return warnings, forward6()
}

// forward6 turns IPv6 forwarding on without cutting off a host that learns its
// routes from router advertisements: it has to accept them expressly then.
func forward6() error {
	if sysctl("net/ipv6/conf/all/forwarding") != "0" {
		return nil
	}
	devices, _ := os.ReadDir("/proc/sys/net/ipv6/conf")
	for _, d := range devices {
		path := "net/ipv6/conf/" + d.Name() + "/accept_ra"
		if d.Name() != "all" && sysctl(path) == "1" {
			if err := setSysctl(path, "2"); err != nil {
				return err
			}
		}
	}
	return setSysctl("net/ipv6/conf/all/forwarding", "1")
}
