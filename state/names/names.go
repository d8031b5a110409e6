// Package names is by which names containers find each other in a network: one
// entry per name and container below the network's directory in the run root,
//
//	names/<name>/<id>      whose content is the container's addresses
//	hosts/<address>/<id>   whose content is the container's name
//
// Entries are symbolic links: one is made, and its content read, in one step, so
// that nobody sees half of it, and where it points to is never followed. An entry
// counts as long as its container's monitor holds its claim.
//
// The monitor links this package: standard library, x/sys and state only. Not
// here: who publishes what, and the questions of containers (runtime/resolver).
package names

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	namesDir = "names"
	hostsDir = "hosts"
	// maxName and maxLabel are DNS's bounds (RFC 1035, 2.3.4); a name is a file's, too.
	maxName  = 253
	maxLabel = 63
	// maxContent bounds an entry's content. Docker's and skiff's networks have one
	// address of each family.
	maxContent = 1000
)

// shortID is how much of a container's id is a name of it, as in lists.
const shortID = 12

// Lower gives the name as it is published, and whether it can be: letters, digits,
// hyphens and underscores, in parts that dots separate. A host is always its own
// localhost.
func Lower(name string) (string, bool) {
	name = strings.ToLower(name)
	return name, Valid(name) && name != "localhost"
}

// Valid reports whether the name can be one of an entry. It is also what keeps
// questions of containers in the directory.
func Valid[T string | []byte](name T) bool {
	if len(name) == 0 || len(name) > maxName {
		return false
	}
	label := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			label++
		case c == '.' && label > 0 && i+1 < len(name):
			label = 0
		default:
			return false
		}
		if label > maxLabel {
			return false
		}
	}
	return true
}

// Check reports why the name cannot be published, for what a user has chosen.
func Check(name string) error {
	if _, ok := Lower(name); !ok {
		return fmt.Errorf("invalid network alias %q: want letters, digits, - and _, up to 63 between two dots", name)
	}
	return nil
}

// Entry is what one container is called in one network.
type Entry struct {
	// Dir is the network's directory below the run root.
	Dir string
	ID  string
	// Name is the container's. It is what its addresses are called, and one of the
	// names.
	Name string
	// Aliases are further names. The beginning of the id is one always.
	Aliases   []string
	Addresses []netip.Addr
}

// Names are all the names, each once, as they are published. What cannot be a name
// in DNS is left out: so are containers' names that are too long.
func (e Entry) Names() (all []string) {
	for _, n := range append([]string{e.Name, e.ID[:min(shortID, len(e.ID))]}, e.Aliases...) {
		if n, ok := Lower(n); ok && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// links are the entries with their contents.
func (e Entry) links() map[string]string {
	var addrs []string
	m := map[string]string{}
	host, named := Lower(e.Name)
	for _, a := range e.Addresses {
		addrs = append(addrs, a.String())
		if named {
			m[filepath.Join(e.Dir, hostsDir, a.String(), e.ID)] = host
		}
	}
	if len(addrs) == 0 {
		return nil
	}
	for _, n := range e.Names() {
		m[filepath.Join(e.Dir, namesDir, n, e.ID)] = strings.Join(addrs, ",")
	}
	return m
}

// Files are the entries, sorted, and the directories that go when nothing is left
// in them: what state.Teardown takes.
func (e Entry) Files() (files, dirs []string) {
	for f := range e.links() {
		files = append(files, f)
	}
	slices.Sort(files)
	for _, f := range files {
		dirs = append(dirs, filepath.Dir(f))
	}
	return files, dirs
}

// Publish makes the entries, in place of those that the container may have.
//
// Postconditions:
//   - on error none of those is left that it made
func (e Entry) Publish() (err error) {
	var made []string
	for path, content := range e.links() {
		if err = publish(path, content); err != nil {
			withdraw(made)
			return fmt.Errorf("cannot publish a name of the container: %w", err)
		}
		made = append(made, path)
	}
	return nil
}

// Replace publishes the entries in place of others of the container, which go.
func (e Entry) Replace(old Entry) error {
	if err := e.Publish(); err != nil {
		return err
	}
	keep, _ := e.Files()
	files, _ := old.Files()
	return withdraw(slices.DeleteFunc(files, func(f string) bool { return slices.Contains(keep, f) }))
}

// Withdraw takes the entries away; what is missing is no error.
func (e Entry) Withdraw() error {
	files, _ := e.Files()
	return withdraw(files)
}

// publishTries bounds how often a directory is made that others remove because
// it is empty.
const publishTries = 100

func publish(path, content string) error {
	dir := filepath.Dir(path)
	for range publishTries {
		err := unix.Symlink(content, path)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.ENOENT):
			// ErrExist: it went between two steps of MkdirAll.
			if err := os.MkdirAll(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
		case errors.Is(err, unix.EEXIST):
			return replace(path, content)
		default:
			return &os.PathError{Op: "symlink", Path: path, Err: err}
		}
	}
	return &os.PathError{Op: "symlink", Path: path, Err: unix.ENOENT}
}

// replace gives an entry new content in one step. Its writers hold the container's
// lock, so the other name is nobody else's; it is no id, so nobody reads it.
func replace(path, content string) error {
	tmp := path + "-new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(content, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func withdraw(files []string) error {
	var errs []error
	for _, f := range files {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("cannot withdraw a name of the container: %w", err))
		}
		unix.Rmdir(filepath.Dir(f)) // stays if others have the name
	}
	return errors.Join(errs...)
}

// WithdrawAll takes away whatever the container is called in the network, without
// knowing what that is.
func WithdrawAll(dir, id string) error {
	var errs []error
	for _, kind := range []string{namesDir, hostsDir} {
		entries, err := os.ReadDir(filepath.Join(dir, kind))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("cannot list names: %w", err))
		}
		for _, e := range entries {
			path := filepath.Join(dir, kind, e.Name(), id)
			if _, err := os.Lstat(path); err == nil {
				errs = append(errs, withdraw([]string{path}))
			}
		}
	}
	return errors.Join(errs...)
}
