package main

import (
	"os"
	"path/filepath"
	"testing"

	"skiff/rootfs/imagecall"
)

func TestAStoreKeepsItsDriver(t *testing.T) {
	tl := newTool(t)
	in := filepath.Join(t.TempDir(), "in.tar")
	write(t, in, string(simple(t, "gzip").Build(t).DockerArchive(t, "localhost/v:1")))
	tl.must(t, imagecall.Request{Op: imagecall.OpLoad, Input: in, StorageDriver: "vfs"})
	rec := tl.lookup(t, "localhost/v:1")
	if len(rec.Layers) != 1 || filepath.Base(filepath.Dir(rec.Layers[0])) != "dir" {
		t.Errorf("layers: got %v", rec.Layers)
	}
	// Nobody has to name the driver again; another one is refused.
	tl.must(t, imagecall.Request{Op: imagecall.OpTag, Images: []string{"v:1", "v:2"}})
	tl.lookup(t, "localhost/v:2")
	tl.fails(t, imagecall.Request{Op: imagecall.OpSync, StorageDriver: "overlay"}, imagecall.FailOther, "was made with the storage driver vfs")
	tl.lookup(t, "localhost/v:2")
	if _, err := os.Lstat(filepath.Join(tl.roots.Storage(), "overlay-images")); err == nil {
		t.Error("the refused driver has made a store")
	}
}
