package spec

import (
	"fmt"
	"maps"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// sysctls are the user's and, in a network namespace of the container's own,
// Docker's: low ports and ping need no privilege there.
func (b *builder) sysctls() error {
	out := map[string]string{}
	mode := b.cfg.Network.Mode
	if b.has(specs.NetworkNamespace) && !strings.HasPrefix(mode, "container:") && !strings.HasPrefix(mode, "ns:") {
		out["net.ipv4.ip_unprivileged_port_start"] = "0"
		out["net.ipv4.ping_group_range"] = fmt.Sprintf("0 %d", b.lastGID())
	}
	for name := range b.cfg.Sysctls {
		if strings.HasPrefix(name, "net.") && mode == "host" {
			return fmt.Errorf("cannot set sysctl %q: the container uses the host's network", name)
		}
	}
	maps.Copy(out, b.cfg.Sysctls)
	if len(out) > 0 {
		b.out.Linux.Sysctl = out
	}
	return nil
}

// lastGID is the highest group id that the kernel takes for ping_group_range:
// it must exist in the user namespace and fit into 31 bits.
func (b *builder) lastGID() uint32 {
	const most = 1<<31 - 1
	if n := b.in.Host.MappedGIDs; n > 0 && n <= most {
		return n - 1
	}
	return most
}
