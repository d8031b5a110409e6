// Package state is skiff's memory: the types that are stored as JSON and the
// operations that create, load, list, update and remove them.
//
// Stored types are plain data. They hold no locks, handles or hidden fields and
// have no methods that do I/O. What is durable (what the user asked for) lives
// below the data root; what is true now lives below the run root, is never
// synced, and carries the boot id of the kernel that it was true under.
//
// # Lock order
//
// Whoever takes more than one lock takes them in this order:
//
//	name, container, network, volume, image
//
// No lock is held while an image is pulled, while the user's code runs, or while
// waiting for a container to end. Readers take no lock at all: every file is
// replaced by rename, so a reader sees the old or the new content, never a mix.
//
// Not here: what the records mean (libpod), and anything outside the Go
// standard library and golang.org/x/sys. The monitor links this package, so a
// dependency added here is paid for by every running container.
package state
