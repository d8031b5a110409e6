// Package source opens the places that a build takes files from: directories,
// archives, and the files of images and stages. It knows which files are
// ignored, which of them an instruction asks for, and the digests of those.
//
// Not here: writing them into a root file system (rootfs/build/place), and
// getting them from the network (rootfs/build/fetch).
package source

import (
	"fmt"

	"skiff/rootfs/safepath"
)

// Tree is a read-only tree of files. What it holds is hostile: nothing in it is
// opened but through Root.
type Tree struct {
	// Name is for messages, such as "build context" or "stage base".
	Name string
	Root *safepath.Root
	// Owned says that owners count and are copied (files of images and stages); in
	// a context they do not.
	Owned bool
	// Digests remembers the digests of file contents, nil for no memory.
	Digests *Digests
	// ignore are the lines of the ignore file.
	ignore []string
}

// Directory opens a directory of the host as a context. ignore is the content of
// the ignore file, as IgnoreFile found it.
func Directory(dir, name string, ignore []byte, d *Digests) (*Tree, error) {
	root, err := safepath.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the %s: %w", name, err)
	}
	t := &Tree{Name: name, Root: root, Digests: d}
	if err := t.Ignore(ignore); err != nil {
		root.Close()
		return nil, err
	}
	return t, nil
}

// Close ends the use of the tree.
func (t *Tree) Close() error { return t.Root.Close() }
