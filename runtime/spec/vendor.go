package spec

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// VendorOptions say how AddVendors is to work.
type VendorOptions struct {
	// UserNS: nodes cannot be made, the host's are mounted instead.
	UserNS bool
	// Privileged: every device is allowed as it is.
	Privileged bool
	// HostNodes are the host's nodes by their paths in the container, where these
	// differ.
	HostNodes map[string]string
}

// AddVendors adds to a specification what vendors say that their devices need, all
// but hooks. What is there already under the same name gives way, as in CDI's
// own implementation.
func AddVendors(sp, add *specs.Spec, o VendorOptions) {
	if add.Process != nil {
		for _, kv := range add.Process.Env {
			name, _, _ := strings.Cut(kv, "=")
			sp.Process.Env = slices.DeleteFunc(sp.Process.Env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
			sp.Process.Env = append(sp.Process.Env, kv)
		}
		for _, gid := range add.Process.User.AdditionalGids {
			if !slices.Contains(sp.Process.User.AdditionalGids, gid) {
				sp.Process.User.AdditionalGids = append(sp.Process.User.AdditionalGids, gid)
			}
		}
	}
	for _, m := range add.Mounts {
		sp.Mounts = slices.DeleteFunc(sp.Mounts, func(o specs.Mount) bool { return o.Destination == m.Destination })
		sp.Mounts = append(sp.Mounts, m)
	}
	if add.Linux == nil {
		return
	}
	addVendorNodes(sp, add.Linux.Devices, o)
	if add.Linux.IntelRdt != nil {
		sp.Linux.IntelRdt = add.Linux.IntelRdt
	}
	for name, d := range add.Linux.NetDevices {
		if sp.Linux.NetDevices == nil {
			sp.Linux.NetDevices = map[string]specs.LinuxNetDevice{}
		}
		sp.Linux.NetDevices[name] = d
	}
	if r := add.Linux.Resources; r != nil && !o.Privileged {
		if sp.Linux.Resources == nil {
			sp.Linux.Resources = &specs.LinuxResources{}
		}
		sp.Linux.Resources.Devices = append(sp.Linux.Resources.Devices, r.Devices...)
	}
}

func addVendorNodes(sp *specs.Spec, nodes []specs.LinuxDevice, o VendorOptions) {
	for _, d := range nodes {
		if o.UserNS {
			source := d.Path
			if host, ok := o.HostNodes[d.Path]; ok {
				source = host
			}
			sp.Mounts = append(sp.Mounts, specs.Mount{
				Destination: d.Path, Type: "bind", Source: source, Options: []string{"bind", "rprivate", "nosuid", "noexec"},
			})
			continue
		}
		sp.Linux.Devices = slices.DeleteFunc(sp.Linux.Devices, func(o specs.LinuxDevice) bool { return o.Path == d.Path })
		sp.Linux.Devices = append(sp.Linux.Devices, d)
	}
}
