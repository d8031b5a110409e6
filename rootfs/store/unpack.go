package store

import (
	"fmt"
	"io"

	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/chrootarchive"
	"go.podman.io/storage/pkg/unshare"
)

// UnpackLayer unpacks an uncompressed layer archive into an empty directory, as
// overlay has it. It happens in a chroot: what the archive names stays in there.
// See Reexec.
func UnpackLayer(r io.Reader, dir string) error {
	err := chrootarchive.UntarUncompressed(r, dir, &archive.TarOptions{
		WhiteoutFormat: archive.OverlayWhiteoutFormat, InUserNS: unshare.IsRootless(),
	})
	if err != nil {
		return fmt.Errorf("cannot unpack the layer: %w", err)
	}
	return nil
}
