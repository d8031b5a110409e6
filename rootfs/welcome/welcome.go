// Package welcome holds the image that is inside skiff, so that the first
// container needs neither a registry nor a network.
//
// rootfs/welcome/server is the program in the image, rootfs/welcome/mkimage
// makes the image when skiff is built. Not here: loading it into the store (the
// image tool's, imagecall.OpUnpack).
package welcome

import (
	"embed"
	"errors"
	"io/fs"
)

// Name is the full name of the image.
const Name = "localhost/skiff-welcome:latest"

// The directory always holds README, so a tree in which make has not run yet
// compiles, too.
//
//go:embed image
var files embed.FS

// ErrMissing: this skiff was built without the image.
var ErrMissing = errors.New("this skiff was built without the welcome image")

// Archive is the image as an OCI archive.
func Archive() ([]byte, error) {
	data, err := files.ReadFile("image/image.tar")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrMissing
	}
	return data, err
}
