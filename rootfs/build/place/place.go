// Package place carries out COPY and ADD in a mounted root file system, by
// BuildKit's rules: where things go, who owns them, what is replaced.
//
// Not here: which files a source means (rootfs/build/source), and getting them
// from the network (rootfs/build/fetch).
package place

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/rootfs/build/recipe"
	"skiff/rootfs/build/source"
	"skiff/rootfs/safepath"
)

// Request is a COPY or an ADD with its sources opened.
type Request struct {
	// Copy is the instruction. Its Sources are not looked at, but Items.
	Copy *recipe.Copy
	// Items are what is taken, in the order of the sources. Here-documents come
	// after them.
	Items []Item
	// Accounts is where the names of --chown are looked up, nil for the root that is
	// written to. With --link that one is empty.
	Accounts *safepath.Root
	// Changed, if not nil, is told of files that were not as they were when their
	// digest was made: the result is not what its key says. Without it that is an
	// error, source.ErrChanged.
	Changed func(path string)
	// Warn is told, in one line each, what was left out; may be nil.
	Warn func(string)
}

// Item are sources that are in one tree.
type Item struct {
	Tree      *source.Tree
	Selection source.Selection
	// Unpack has archives unpacked rather than copied.
	Unpack bool
}

// placer is one request being carried out.
type placer struct {
	ctx  context.Context
	root *safepath.Root
	req  Request
	// owner is whom all that is made belongs to; nil leaves it to the source.
	owner *owner
	chmod *chmod // nil for the source's mode
	// dest is absolute; asserted says that it is to be a directory.
	dest     string
	asserted bool
	// plain are those files that went to dest itself and not into it.
	plain int
}

// Copy writes what the request names into the root file system.
func Copy(ctx context.Context, root *safepath.Root, req Request) error {
	if req.Warn == nil {
		req.Warn = func(string) {}
	}
	p := &placer{ctx: ctx, root: root, req: req}
	if err := p.prepare(); err != nil {
		return err
	}
	for _, item := range req.Items {
		entries, err := item.Tree.Select(item.Selection)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := p.entry(item, e); err != nil {
				return err
			}
		}
	}
	for _, doc := range req.Copy.Contents {
		if err := p.document(doc.Path, doc.Data); err != nil {
			return err
		}
	}
	return nil
}

func (p *placer) prepare() (err error) {
	c := p.req.Copy
	p.dest, p.asserted = destination(c.Cwd, c.Dest)
	accounts := p.req.Accounts
	if accounts == nil {
		accounts = p.root
	}
	if p.owner, err = findOwner(accounts, c.Chown); err != nil {
		return err
	}
	p.chmod, err = parseChmod(c.Chmod)
	return err
}

// destination makes the place of an instruction absolute. directory says that it
// was written as one.
func destination(cwd, dest string) (at string, directory bool) {
	directory = dest == "" || dest == "." || strings.HasSuffix(dest, "/") || strings.HasSuffix(dest, "/.")
	if !strings.HasPrefix(dest, "/") {
		dest = path.Join("/", cwd, dest)
	}
	return path.Clean(dest), directory
}

// entry copies what one source, or one match of a wildcard, stands for.
func (p *placer) entry(item Item, e source.Entry) error {
	if err := p.makeParents(); err != nil {
		return err
	}
	if item.Unpack && !e.Dir {
		done, err := p.unpack(item, e)
		if err != nil || done {
			return err
		}
	}
	dst, err := p.target(e.Name, e.Dir)
	if err != nil {
		return err
	}
	return p.copyTree(item.Tree, e, dst)
}

// makeParents makes what is to hold the destination, or that itself.
func (p *placer) makeParents() error {
	dir := p.dest
	if !p.asserted {
		dir = path.Dir(dir)
	}
	return p.mkdirAll(dir)
}

// mkdirAll makes the directories that lead to dir. Octal --chmod counts for
// them, too.
func (p *placer) mkdirAll(dir string) error {
	if dir == "/" {
		return nil
	}
	mode := fs.FileMode(0o755)
	if p.chmod != nil && p.chmod.absolute {
		mode = fs.FileMode(p.chmod.mode).Perm()
	}
	uid, gid := 0, 0
	if p.owner != nil {
		uid, gid = p.owner.uid, p.owner.gid
	}
	err := p.root.MkdirAll(dir, mode, uid, gid)
	if errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("cannot make the directory %q: something else is in the way", dir)
	}
	if errors.Is(err, unix.EINVAL) {
		return p.owned(unix.EINVAL)
	}
	return err
}

// target says where something goes that a directory would hold as name.
func (p *placer) target(name string, dir bool) (string, error) {
	dst, err := p.root.Resolve(p.dest)
	if err != nil {
		return "", err
	}
	st, err := p.root.Lstat(dst)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		st = nil
	case errors.Is(err, unix.ENOTDIR):
		return "", fmt.Errorf("cannot copy to %q: what leads there is no directory", p.dest)
	case err != nil:
		return "", err
	}
	switch {
	case dir && st == nil:
		return dst, p.mkdirAll(dst)
	case dir && !st.IsDir():
		return "", fmt.Errorf("cannot copy to non-directory: %s", p.dest)
	case dir:
		return dst, nil
	case st != nil && st.IsDir():
		return path.Join(dst, name), nil
	}
	if p.plain++; p.plain > 1 {
		return "", fmt.Errorf("cannot copy several files to %q: end the destination with a slash if it is to be a directory", p.dest)
	}
	return dst, nil
}
