package stage

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/rootfs/premount"
	"skiff/runtime/sandbox"
)

// premount takes over from libcontainer what this process can mount itself, and
// says whether the device nodes were among it. Nothing is lost if it does not
// come to it.
func (s *starter) premount(sp *specs.Spec) (devices bool) {
	ns := func(kind specs.LinuxNamespaceType) *specs.LinuxNamespace {
		i := slices.IndexFunc(sp.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
		if i < 0 {
			return nil
		}
		return &sp.Linux.Namespaces[i]
	}
	// In a user namespace of the container's, file systems belong to that; with
	// labels, the runtime adds them to the options.
	if ns(specs.MountNamespace) == nil || ns(specs.UserNamespace) != nil || sp.Linux.MountLabel != "" {
		return false
	}
	o := premount.Options{Devices: len(sp.Linux.Devices) == 0}
	if net := ns(specs.NetworkNamespace); net != nil {
		if net.Path == "" {
			return false
		}
		o.NetNS = net.Path
	}
	if ns(specs.CgroupNamespace) == nil {
		o.Cgroups = func() []premount.Hierarchy { return s.hierarchies(sp.Linux.CgroupsPath) }
	}
	res := premount.Apply(s.root, sp.Mounts, o)
	sp.Mounts = res.Left
	return res.Devices
}

// hierarchies makes the container's cgroups so that they can be mounted.
func (s *starter) hierarchies(path string) (out []premount.Hierarchy) {
	dirs, err := sandbox.MakeHierarchies(path)
	if err != nil {
		return nil
	}
	s.undo.Push(func() error { return sandbox.RemoveHierarchies(dirs) })
	for name, dir := range dirs {
		out = append(out, premount.Hierarchy{Name: name, Dir: dir})
	}
	return out
}
