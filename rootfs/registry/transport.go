package registry

import (
	"fmt"
	"strings"

	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/layer"
)

// fileReference takes a name with the transport of a file apart, such as
// oci-archive:PATH[:NAME]. ok says that name is of that kind.
func fileReference(name string) (ref types.ImageReference, ok bool, err error) {
	transport, rest, found := strings.Cut(name, ":")
	if !found {
		return nil, false, nil
	}
	switch transport {
	case "dir":
		ref, err = directory.NewReference(rest)
	case "oci":
		ref, err = layout.ParseReference(rest)
	case "oci-archive":
		ref, err = ociarchive.ParseReference(rest)
	case "docker-archive":
		ref, err = dockerarchive.ParseReference(rest)
	default:
		return nil, false, nil
	}
	if err != nil {
		return nil, true, fmt.Errorf("invalid reference %q: %s", name, oneLine(err.Error()))
	}
	return ref, true, nil
}

// FileReference is where an image in a file is, such as oci-archive:PATH:NAME.
func FileReference(name string) (types.ImageReference, error) {
	ref, ok, err := fileReference(name)
	if err == nil && !ok {
		err = fmt.Errorf("invalid reference %q: the transport is not known", name)
	}
	return ref, err
}

// IsFile reports whether a name is of an image in a file, such as dir:PATH.
func IsFile(name string) bool { return layer.InFile(name) }
