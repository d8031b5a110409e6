// Package cache keeps what the steps of builds have made: one directory per
// step, with the layer as overlay keeps it, and a record. A step is known by a
// key made of its content and of what is below it, never by time.
//
// Not here: making keys (rootfs/build), images (rootfs/store).
package cache

import (
	"time"

	"skiff/state/dirs"
)

// RecordVersion is the version of Record.
const RecordVersion = 1

// Record is builds/steps/<id>/step.json. It is written when the step is done.
type Record struct {
	Version int    `json:"version"`
	ID      string `json:"id"`  // 32 hex digits
	Key     string `json:"key"` // 64 hex digits
	// Title is the instruction, for lists.
	Title   string    `json:"title,omitempty"`
	Created time.Time `json:"created"`
	// Size is what the layer's files take, in bytes.
	Size int64 `json:"size"`
	// DiffID is the digest of the layer as an uncompressed archive and ArchiveSize
	// its size, once somebody has asked.
	DiffID      string `json:"diffId,omitempty"`
	ArchiveSize int64  `json:"archiveSize,omitempty"`
	// Shared says that the step is a snapshot of a context or other input.
	Input bool `json:"input,omitempty"`
}

// Cache is the cache below one pair of roots. Several processes use it at once.
type Cache struct {
	Roots dirs.Roots
}

// Layer is a step that is done.
type Layer struct {
	Record
	// Dir is the layer's directory, an overlay upper directory.
	Dir string
}

// Work is a step that is being done: an empty writable layer that nobody else
// knows. Commit or Discard ends it; one whose process died is swept away by the
// next build.
type Work struct {
	Upper, Work string
	private
}

type private struct{}
