package libpod

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/welcome"
	"skiff/state"
)

// isWelcome reports whether the name means the image that is inside skiff.
func isWelcome(name string) bool {
	return name == welcome.Name || name+":latest" == welcome.Name || "localhost/"+name+":latest" == welcome.Name
}

// unpackWelcome puts the image that is inside skiff into the store.
func (e *Engine) unpackWelcome(ctx context.Context) (*state.Image, error) {
	data, err := welcome.Archive()
	if err != nil {
		return nil, err
	}
	in, err := memoryFile(data)
	if err != nil {
		return nil, fmt.Errorf("cannot unpack the welcome image: %w", err)
	}
	defer in.Close()
	res, err := e.imageTool(ctx, imagecall.Request{Op: imagecall.OpUnpack, Quiet: true}, imageStdio{in: in, err: os.Stderr})
	if err == nil {
		err = failure(res)
	}
	if err != nil {
		return nil, err
	}
	img, _, err := e.Images.Lookup(welcome.Name)
	return img, err
}

// memoryFile is an anonymous file with the content, ready to be read.
func memoryFile(data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("skiff", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "memory")
	if _, err = f.Write(data); err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
