package inspect

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"

	"skiff/state"
)

// dockerPort is one port as Docker lists it: without host where it is exposed only.
type dockerPort struct {
	host          string
	public, inner int
	protocol      string
}

// DockerPortText is the ports column of Docker's ps: spans of ports that are exposed
// only or have the same number on the host, then the others one by one.
func DockerPortText(published []state.Port, exposed []string) string {
	spans := map[string][2]int{} // first and last port of the span that is open
	var order, done, single []string
	for _, p := range dockerPorts(published, exposed) {
		key := p.protocol
		if p.host != "" {
			if p.public != p.inner {
				single = append(single, net.JoinHostPort(p.host, strconv.Itoa(p.public))+"->"+strconv.Itoa(p.inner)+"/"+p.protocol)
				continue
			}
			key = p.host + "/" + p.protocol
		}
		span, open := spans[key]
		switch {
		case !open:
			order = append(order, key)
			span = [2]int{p.inner, p.inner}
		case p.inner == span[1]+1:
			span[1] = p.inner
		default:
			done = append(done, dockerSpan(key, span))
			span = [2]int{p.inner, p.inner}
		}
		spans[key] = span
	}
	for _, key := range order {
		done = append(done, dockerSpan(key, spans[key]))
	}
	return strings.Join(append(done, single...), ", ")
}

// dockerPorts are all ports in Docker's order, those of a range one by one.
func dockerPorts(published []state.Port, exposed []string) []dockerPort {
	var all []dockerPort
	taken := map[string]bool{}
	for _, p := range published {
		taken[portKey(p)] = true
		all = append(all, dockerPort{cmp.Or(p.HostIP, "0.0.0.0"), int(p.HostPort), int(p.ContainerPort), p.Protocol})
	}
	for _, e := range exposed {
		ports, protocol, _ := strings.Cut(e, "/")
		first, last, ranged := strings.Cut(ports, "-")
		lo, err := strconv.Atoi(first)
		hi := lo
		if ranged && err == nil {
			hi, err = strconv.Atoi(last)
		}
		for n := lo; err == nil && n <= hi; n++ {
			if key := strconv.Itoa(n) + "/" + protocol; !taken[key] {
				taken[key] = true
				all = append(all, dockerPort{inner: n, protocol: protocol})
			}
		}
	}
	slices.SortFunc(all, func(a, b dockerPort) int {
		return cmp.Or(cmp.Compare(a.inner, b.inner), cmp.Compare(a.host, b.host),
			cmp.Compare(a.public, b.public), cmp.Compare(a.protocol, b.protocol))
	})
	return all
}

// dockerSpan writes a span of ports; key is their protocol, with the host's address
// in front where they are published.
func dockerSpan(key string, span [2]int) string {
	text := strconv.Itoa(span[0])
	if span[1] > span[0] {
		text += "-" + strconv.Itoa(span[1])
	}
	i := strings.LastIndex(key, "/")
	if i < 0 {
		return text + "/" + key
	}
	host, protocol := key[:i], key[i+1:]
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + text + "->" + text + "/" + protocol
}
