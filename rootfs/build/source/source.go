// Package source opens the places that a build takes files from: directories,
// archives, git repositories, and the files of images and stages. It knows which
// files are ignored and the digests of those that are not.
//
// Not here: writing them into a root file system (rootfs/build/place).
package source

import (
	"skiff/rootfs/safepath"
)

// Tree is a read-only tree of files. What it holds is hostile: nothing in it is
// opened but through Root.
type Tree struct {
	// Name is for messages, such as "build context" or "stage base".
	Name string
	Root *safepath.Root
	// Keep reports whether a path (slash-separated, relative, clean) counts: it
	// carries out the ignore file. Nil keeps all. A directory that is not kept may
	// still hold files that are.
	Keep func(rel string, dir bool) (bool, error)
	// Owned says that owners count and are copied (files of images and stages); in
	// a context they do not.
	Owned bool
	// Digests remembers the digests of file contents, nil for no memory.
	Digests *Digests
}

// Digests remembers content digests across builds by a file's device, inode,
// size and times of change, so that an unchanged context is not read again.
type Digests struct{ private }

type private struct{}
