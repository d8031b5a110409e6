package define

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"skiff/state"
)

// Unmanaged is the mode of a bridge that is the host's own.
const Unmanaged = "unmanaged"

// Modes are those that a driver has; the first is the usual one.
func Modes(driver string) []string {
	switch driver {
	case state.DriverMacvlan:
		return []string{"bridge", "private", "vepa", "passthru"}
	case state.DriverIpvlan:
		return []string{"l2", "l3", "l3s"}
	case state.DriverBridge:
		return []string{"", Unmanaged}
	}
	return nil
}

// options reads the drivers' options. A key of Docker's that means nothing here
// is kept and has no effect, as with Docker; another one is a mistake.
func options(r *state.NetworkRecord, q Request) error {
	for _, key := range slices.Sorted(maps.Keys(q.Options)) {
		set := option(key)
		if set == nil {
			if strings.HasPrefix(key, "com.docker.") {
				continue
			}
			return state.Errorf(state.ErrInvalid, "unsupported network option %s", key)
		}
		if want := set(r, q.Options[key]); want != "" {
			return invalidOption(key, q.Options[key], want)
		}
	}
	return nil
}

// setter sets what an option means; want says what its value has to be, where
// it is not.
type setter func(r *state.NetworkRecord, value string) (want string)

func option(key string) setter {
	switch key {
	case "mtu", "com.docker.network.driver.mtu":
		return number(68, 65535, func(r *state.NetworkRecord, n int) { r.MTU = n }) // RFC 791: every module forwards 68
	case "vlan":
		return number(1, 4094, func(r *state.NetworkRecord, n int) { r.VLAN = n }) // IEEE 802.1Q
	case "metric":
		return number(1, 1<<31-1, func(r *state.NetworkRecord, n int) { r.Metric = n })
	case "com.docker.network.bridge.name":
		return deviceOption(func(r *state.NetworkRecord, s string) { r.Bridge = s })
	case "parent":
		return deviceOption(func(r *state.NetworkRecord, s string) { r.Parent = s })
	case "com.docker.network.container_iface_prefix":
		return prefixOption
	case "com.docker.network.bridge.enable_icc":
		return boolean(func(r *state.NetworkRecord, on bool) { r.Apart = !on })
	case "com.docker.network.bridge.enable_ip_masquerade":
		return boolean(func(r *state.NetworkRecord, on bool) { r.NoMasquerade = !on })
	case "com.docker.network.bridge.host_binding_ipv4":
		return hostIP
	case "com.docker.network.bridge.gateway_mode_ipv4", "com.docker.network.bridge.gateway_mode_ipv6":
		return gatewayMode
	case "no_default_route":
		return boolean(func(r *state.NetworkRecord, on bool) { r.NoDefaultRoute = on })
	case "isolate":
		return isolate
	case "mode":
		return mode
	case "macvlan_mode":
		return modeOf(state.DriverMacvlan)
	case "ipvlan_mode":
		return modeOf(state.DriverIpvlan)
	}
	return nil
}

func number(low, high int, set func(*state.NetworkRecord, int)) setter {
	return func(r *state.NetworkRecord, value string) string {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return "a number from " + strconv.Itoa(low) + " to " + strconv.Itoa(high)
		}
		set(r, n)
		return ""
	}
}

func boolean(set func(*state.NetworkRecord, bool)) setter {
	return func(r *state.NetworkRecord, value string) string {
		on, err := strconv.ParseBool(value)
		if err != nil {
			return "true or false"
		}
		set(r, on)
		return ""
	}
}

func deviceOption(set func(*state.NetworkRecord, string)) setter {
	return func(r *state.NetworkRecord, value string) string {
		if CheckDevice(value) != nil {
			return "a device name of at most 15 letters, without / and :"
		}
		set(r, value)
		return ""
	}
}

// prefixOption leaves room for the number that follows.
func prefixOption(r *state.NetworkRecord, value string) string {
	if CheckDevice(value) != nil || len(value) > 12 {
		return "the beginning of a device name, of at most 12 letters"
	}
	r.InterfacePrefix = value
	return ""
}

func hostIP(r *state.NetworkRecord, value string) string {
	a, err := netip.ParseAddr(value)
	if err != nil || !a.Is4() {
		return "an IPv4 address"
	}
	if !a.IsUnspecified() {
		r.HostIP = a.String()
	}
	return ""
}

// gatewayMode knows Docker's modes nat, the usual one, and isolated, which takes
// the bridge's address away.
func gatewayMode(r *state.NetworkRecord, value string) string {
	switch {
	case value == "nat":
	case value == "isolated" && r.Internal:
		r.NoGateway = true
	case value == "isolated":
		return "nat: isolated needs --internal"
	default:
		return "nat, or isolated with --internal"
	}
	return ""
}

// isolate: Podman's networks reach each other unless one is isolated; these do
// only where both say that they may.
func isolate(r *state.NetworkRecord, value string) string {
	if value == "strict" {
		return ""
	}
	if boolean(func(r *state.NetworkRecord, on bool) { r.Open = !on })(r, value) != "" {
		return "true, false or strict"
	}
	return ""
}

// mode is for the driver at hand.
func mode(r *state.NetworkRecord, value string) string {
	if r.Driver != state.DriverBridge {
		return modeOf(r.Driver)(r, value)
	}
	switch value {
	case "managed":
	case Unmanaged:
		r.Mode = Unmanaged
	default:
		return "managed or unmanaged"
	}
	return ""
}

func modeOf(driver string) setter {
	return func(r *state.NetworkRecord, value string) string {
		modes := Modes(driver)
		if r.Driver != driver {
			return "a network of the driver " + driver
		}
		if !slices.Contains(modes, value) {
			return "one of " + strings.Join(modes, ", ")
		}
		r.Mode = value
		return ""
	}
}
