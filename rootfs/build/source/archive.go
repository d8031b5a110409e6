package source

import (
	"context"
	"fmt"
	"io"
	"os"

	"skiff/rootfs/build/tarball"
	"skiff/rootfs/safepath"
	"skiff/rootfs/transfer"
)

// Archive unpacks a tar archive, plain or compressed, into a new directory below
// scratch and opens that. close removes it. Owners in the archive do not count,
// and devices are left out. tarball.ErrNoArchive says that r is none.
func Archive(ctx context.Context, r io.Reader, name, scratch string) (t *Tree, close func(), err error) {
	a, err := tarball.Open(ctx, r)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the %s: %w", name, err)
	}
	defer a.Close()
	dir, err := os.MkdirTemp(scratch, "context-")
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			safepath.RemoveAll(dir)
		}
	}()
	t, err = Directory(dir, name, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	err = a.Unpack(t.Root, "/", transfer.UnpackOptions{
		Owner: &transfer.Owner{}, Overwrite: true, KeepTop: true, NoDevices: true})
	if err != nil {
		t.Close()
		return nil, nil, fmt.Errorf("cannot unpack the %s: %w", name, err)
	}
	return t, func() {
		t.Close()
		safepath.RemoveAll(dir)
	}, nil
}
