package libpod

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"skiff/state"
)

// Linked is what a container knows of another one that it is linked to.
// Docker: --link.
type Linked struct {
	// Hosts are lines for /etc/hosts as NAME:ADDRESS, Env variables as NAME=value.
	Hosts, Env []string
}

// Links finds what a container's links come to in the default network; in others
// they are names that are looked up, see OwnNames. One whose container does not run
// is an error, or left out.
func (e *Engine) Links(cfg *state.Config, leaveOut bool) (out Linked, err error) {
	if !inDefault(cfg.Network) {
		return out, nil
	}
	for _, l := range cfg.Extra().Links {
		ip, other, err := e.linkTarget(l)
		switch {
		case err != nil && leaveOut:
			continue
		case err != nil:
			return Linked{}, fmt.Errorf("cannot link to container %s as %q: %w", l.Name, l.Alias, err)
		}
		names := slices.Compact([]string{l.Alias, other.Hostname, other.Name})
		for i, name := range names {
			if name != "" && !slices.Contains(names[:i], name) {
				out.Hosts = append(out.Hosts, name+":"+ip)
			}
		}
		out.Env = append(out.Env, linkEnv(cfg.Name, l.Alias, ip, other)...)
	}
	return out, nil
}

func inDefault(n state.Network) bool {
	return len(n.Endpoints) == 0 || slices.ContainsFunc(n.Endpoints, func(e state.Endpoint) bool { return e.Network == state.DefaultNetwork })
}

// linkTarget is a linked container with its address in the default network.
func (e *Engine) linkTarget(l state.Link) (ip string, other *state.Config, err error) {
	if other, err = e.Store.Load(l.ID); err != nil {
		return "", nil, err
	}
	live, err := e.Store.Status(l.ID)
	if err != nil {
		return "", nil, err
	}
	for _, ep := range live.Network.Endpoints {
		if live.Phase.Active() && ep.Network == state.DefaultNetwork && ep.IP != "" {
			return ep.IP, other, nil
		}
	}
	if live.Phase.Active() {
		return "", nil, fmt.Errorf("it is not in the network %q", state.DefaultNetwork)
	}
	return "", nil, fmt.Errorf("it is not running")
}

// linkEnv are the variables of a link, as Docker has them: the other container's
// exposed ports, and its environment without what every container has.
func linkEnv(self, alias, ip string, other *state.Config) []string {
	prefix := strings.ToUpper(strings.ReplaceAll(alias, "-", "_"))
	var out []string
	for i, p := range linkPorts(other.Network.Expose) {
		url := p.proto + "://" + ip + ":" + strconv.Itoa(p.number)
		if i == 0 {
			out = append(out, prefix+"_PORT="+url)
		}
		port := prefix + "_PORT_" + strconv.Itoa(p.number) + "_" + strings.ToUpper(p.proto)
		out = append(out, port+"="+url, port+"_ADDR="+ip, port+"_PORT="+strconv.Itoa(p.number), port+"_PROTO="+p.proto)
	}
	out = append(out, prefix+"_NAME=/"+self+"/"+alias)
	for _, kv := range other.Process.Env {
		name, _, _ := strings.Cut(kv, "=")
		if name != "HOME" && name != "PATH" && name != "container" {
			out = append(out, prefix+"_ENV_"+kv)
		}
	}
	return out
}

type linkPort struct {
	number int
	proto  string
}

// linkPorts are exposed ports by their numbers, tcp first.
func linkPorts(exposed []string) (out []linkPort) {
	for _, s := range exposed {
		number, proto, _ := strings.Cut(s, "/")
		first, last, isRange := strings.Cut(number, "-")
		lo, err := strconv.Atoi(first)
		if err != nil {
			continue
		}
		hi := lo
		if isRange {
			if hi, err = strconv.Atoi(last); err != nil {
				continue
			}
		}
		for n := lo; n <= hi; n++ {
			out = append(out, linkPort{n, proto})
		}
	}
	slices.SortStableFunc(out, func(a, b linkPort) int {
		switch {
		case a.number != b.number:
			return a.number - b.number
		case a.proto == "tcp" && b.proto != "tcp":
			return -1
		case b.proto == "tcp" && a.proto != "tcp":
			return 1
		}
		return strings.Compare(a.proto, b.proto)
	})
	return slices.Compact(out)
}

// OwnNames are the names by which a container that is in networks with names finds
// those that it is linked to.
func OwnNames(cfg *state.Config) map[string]string {
	names := map[string]string{}
	for _, l := range cfg.Extra().Links {
		names[l.Alias] = l.ID
	}
	return names
}
