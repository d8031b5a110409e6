package stage

import (
	"slices"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/rootfs/premount"
	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/state/lock"
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
	if ns(specs.CgroupNamespace) == nil && s.hierarchies != nil {
		o.Cgroups = s.shownHierarchies
	}
	cgroups := func(m specs.Mount) bool { return m.Destination == spec.CgroupDir }
	o.ReadOnlyCgroups = slices.Contains(sp.Linux.ReadonlyPaths, spec.CgroupDir)
	res := premount.Apply(s.root, sp.Mounts, o)
	if sp.Mounts = res.Left; o.ReadOnlyCgroups && !slices.ContainsFunc(res.Left, cgroups) {
		sp.Linux.ReadonlyPaths = slices.DeleteFunc(sp.Linux.ReadonlyPaths, func(p string) bool { return p == spec.CgroupDir })
	}
	return res.Devices
}

// beginHierarchies makes the container's cgroups beside all that follows: they
// are to be mounted, and each takes a while. It gives the lock that keeps their
// parent there until they are.
func (s *starter) beginHierarchies(in spec.Inputs) (*lock.Lock, error) {
	held, err := s.engine.HoldCgroups()
	if err != nil || s.cfg.Runtime != "" {
		return held, err
	}
	path := spec.CgroupsPath(s.cfg, in)
	made := make(chan *sandbox.Hierarchies, 1)
	go func() {
		h, err := sandbox.MakeHierarchies(path)
		if err != nil {
			h = nil // libcontainer will say why
		}
		made <- h
	}()
	s.hierarchies = sync.OnceValue(func() *sandbox.Hierarchies { return <-made })
	s.undo.Push(func() error { return s.hierarchies().Remove() })
	return held, nil
}

func (s *starter) shownHierarchies() (out []premount.Hierarchy) {
	h := s.hierarchies()
	if h == nil {
		return nil
	}
	for name, dir := range h.Shown {
		out = append(out, premount.Hierarchy{Name: name, Dir: dir})
	}
	return out
}
