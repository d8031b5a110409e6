package spec

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func vendorsAddition() *specs.Spec {
	major := int64(10)
	return &specs.Spec{
		Process: &specs.Process{Env: []string{"KIND=vendor"}, User: specs.User{AdditionalGids: []uint32{7, 42}}},
		Mounts:  []specs.Mount{{Destination: "/etc/x", Source: "/vendor/x"}},
		Linux: &specs.Linux{
			Devices:   []specs.LinuxDevice{{Path: "/dev/v0", Type: "c", Major: 10, Minor: 1}},
			Resources: &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: &major, Access: "r"}}},
		},
	}
}

func containerOf() *specs.Spec {
	return &specs.Spec{
		Process: &specs.Process{Env: []string{"KIND=mine", "KINDER=mine"}, User: specs.User{AdditionalGids: []uint32{7}}},
		Mounts:  []specs.Mount{{Destination: "/etc/x", Source: "/mine"}, {Destination: "/y"}},
		Linux:   &specs.Linux{Devices: []specs.LinuxDevice{{Path: "/dev/v0", Major: 1}}},
	}
}

func TestVendorsAdditionsTakeThePlaceOfWhatIsThere(t *testing.T) {
	sp := containerOf()
	AddVendors(sp, vendorsAddition(), VendorOptions{})
	if got, want := sp.Process.Env, []string{"KINDER=mine", "KIND=vendor"}; !slices.Equal(got, want) {
		t.Errorf("environment: got %q, want %q", got, want)
	}
	if got, want := sp.Process.User.AdditionalGids, []uint32{7, 42}; !slices.Equal(got, want) {
		t.Errorf("groups: got %v, want %v", got, want)
	}
	if len(sp.Mounts) != 2 || sp.Mounts[1].Source != "/vendor/x" {
		t.Errorf("mounts: got %+v", sp.Mounts)
	}
	if len(sp.Linux.Devices) != 1 || sp.Linux.Devices[0].Major != 10 || len(sp.Linux.Resources.Devices) != 1 {
		t.Errorf("devices: got %+v and %+v", sp.Linux.Devices, sp.Linux.Resources)
	}
}

func TestVendorsNodesAreMountedInAUserNamespace(t *testing.T) {
	sp := containerOf()
	AddVendors(sp, vendorsAddition(), VendorOptions{UserNS: true, Privileged: true, HostNodes: map[string]string{"/dev/v0": "/dev/host0"}})
	last := sp.Mounts[len(sp.Mounts)-1]
	if last.Destination != "/dev/v0" || last.Source != "/dev/host0" || last.Type != "bind" {
		t.Errorf("the node: got %+v", last)
	}
	if sp.Linux.Resources != nil {
		t.Errorf("rules for a privileged container: got %+v", sp.Linux.Resources)
	}
}
