package place

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"skiff/rootfs/build/source"
	"skiff/rootfs/build/tarball"
	"skiff/rootfs/transfer"
)

// unpack unpacks a source that is an archive into the destination, which becomes
// a directory. done says that it is one. Owners are the archive's, if the
// instruction names none; its modes do not count.
func (p *placer) unpack(item Item, e source.Entry) (done bool, err error) {
	err = item.Tree.Walk(e, source.Visitor{Visit: func(f *source.File) error {
		if f.Kind() != unix.S_IFREG {
			return nil
		}
		file, err := f.Open()
		if err != nil {
			return err
		}
		defer file.Close()
		a, err := tarball.Open(p.ctx, file)
		if errors.Is(err, tarball.ErrNoArchive) {
			return nil
		}
		if err != nil {
			return err
		}
		defer a.Close()
		done = true
		if err := p.unpackTo(a); err != nil {
			return fmt.Errorf("cannot unpack %q: %w", e.Source, err)
		}
		c := copier{placer: p, tree: item.Tree}
		return c.changed(f, file)
	}})
	return done, err
}

func (p *placer) unpackTo(a *tarball.Reader) error {
	if err := p.mkdirAll(p.dest); err != nil {
		return err
	}
	base, err := p.root.Resolve(p.dest)
	if err != nil {
		return err
	}
	opt := transfer.UnpackOptions{Overwrite: true, KeepTop: true, Warn: p.req.Warn}
	if p.owner != nil {
		opt.Owner = &transfer.Owner{UID: p.owner.uid, GID: p.owner.gid}
	}
	return a.Unpack(p.root, base, opt)
}
