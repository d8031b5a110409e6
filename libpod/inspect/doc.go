// Package inspect turns records into the JSON documents that docker and podman
// print: pure functions from what is known to what is shown.
//
// A document's Go fields are called as in JSON, because templates name them.
//
// Not here: reading records (libpod), and printing (cmd/format).
package inspect

import (
	"strings"

	"golang.org/x/sys/unix"

	"skiff/state"
	"skiff/state/dirs"
)

// Container is what is known of one container.
type Container struct {
	Config *state.Config
	Status state.Live
	Roots  dirs.Roots
	// Image is nil where it was not asked for or is gone.
	Image *state.Image
	// SizeRw and SizeRoot are bytes: the writable layer, and all of the root file
	// system. Nil where they were not asked for.
	SizeRw, SizeRoot *int64
	// NetworkIDs are the ids of its networks by name; nil where they were not asked
	// for.
	NetworkIDs map[string]string
	Namespaces Namespaces
	// Health is nil for a container without health check, and for one that has
	// never run.
	Health *state.Health
}

// Namespaces are the inode numbers of a process's namespaces; empty where they
// were not asked for.
type Namespaces struct{ Cgroup, IPC, Mnt, Net, PID, User, UTS string }

// Image is what is known of one image.
type Image struct {
	*state.Image
	// Parent is the id of the image that this one was built on, if it is here.
	Parent string
	// Containers is how many containers are made from it; -1 if not counted.
	Containers int
	// Shown are the names that a list has chosen.
	Shown []string
	// HasChildren says that another image was built on it.
	HasChildren bool
	// Listed says that an index here names it.
	Listed bool
}

// Dangling reports whether nobody has a name for the image: not even one with a
// digest, nor an index.
func (i Image) Dangling() bool { return len(i.Names) == 0 && len(i.RepoDigests) == 0 && !i.Listed }

// signalName is a signal as people write it; 0 is SIGTERM.
func signalName(n int) string {
	if n == 0 {
		n = int(unix.SIGTERM)
	}
	const rtmin, rtmax = 34, 64
	if n >= rtmin && n <= rtmax {
		if n == rtmin {
			return "SIGRTMIN"
		}
		return "SIGRTMIN+" + itoa(n-rtmin)
	}
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return name
	}
	return itoa(n)
}

// Familiar is an image's full name the way Docker shows it: httpd:latest for
// docker.io/library/httpd:latest, and without localhost/, which Docker does not
// have.
func Familiar(name string) string {
	for _, prefix := range []string{"docker.io/library/", "docker.io/", "localhost/"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest
		}
	}
	return name
}

// SplitName takes a full name apart into repository and tag. A name with a
// digest has the tag <none>.
func SplitName(name string) (repo, tag string) {
	if repo, _, ok := strings.Cut(name, "@"); ok {
		return repo, "<none>"
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i], name[i+1:]
	}
	return name, "<none>"
}
