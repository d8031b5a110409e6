// Package vendordevice finds what the vendors of devices say that a container
// with them needs: the files of the Container Device Interface (CDI).
//
// Not here: giving it to a container (runtime/spec). The package is the image
// tool's, since these files may be YAML, and a reader of that costs every start
// of a program that links one.
package vendordevice

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"tags.cncf.io/container-device-interface/pkg/cdi"
)

// Resolve gives an OCI runtime specification that has what the devices need and
// nothing else. nodes are the host's device nodes by their paths in the container
// where these differ. dirs are where to look, the most important last; none are
// the usual places. uid and gid own the nodes for which the description has no
// owner.
func Resolve(dirs, devices []string, uid, gid uint32) (spec *specs.Spec, nodes map[string]string, err error) {
	cache, err := open(dirs)
	if err != nil {
		return nil, nil, err
	}
	nodes = map[string]string{}
	for _, name := range devices {
		d := cache.GetDevice(name)
		if d == nil {
			return nil, nil, missing(cache, name)
		}
		for _, edits := range []*cdi.ContainerEdits{{ContainerEdits: &d.GetSpec().ContainerEdits}, {ContainerEdits: &d.ContainerEdits}} {
			for _, n := range edits.DeviceNodes {
				if n.HostPath != "" && n.HostPath != n.Path {
					nodes[n.Path] = n.HostPath
				}
			}
		}
	}
	spec = &specs.Spec{Process: &specs.Process{User: specs.User{UID: uid, GID: gid}}}
	if _, err := cache.InjectDevices(spec, devices...); err != nil {
		return nil, nil, fmt.Errorf("cannot give the devices %s: %w", strings.Join(devices, ", "), err)
	}
	return spec, nodes, nil
}

// missing says that there is no such device, and of a file of that vendor's which
// could not be used, why: it may have been in that one.
func missing(cache *cdi.Cache, name string) error {
	dirs := strings.Join(cache.GetSpecDirectories(), " nor ")
	bad := cache.GetErrors()
	for _, path := range slices.Sorted(maps.Keys(bad)) {
		if err := errors.Join(bad[path]...); err != nil {
			line, _, _ := strings.Cut(err.Error(), "\n")
			return fmt.Errorf("cannot find the device %q in %s; of %s: %s", name, dirs, path, line)
		}
	}
	return fmt.Errorf("cannot find the device %q: no vendor describes it in %s", name, dirs)
}
