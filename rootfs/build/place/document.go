package place

import (
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// document writes a here-document, which a directory would hold as name.
func (p *placer) document(name, data string) error {
	if err := p.makeParents(); err != nil {
		return err
	}
	at, err := p.target(path.Base(path.Join("/", name)), false)
	if err != nil {
		return err
	}
	dir, err := p.root.Open(path.Dir(at), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	c := &copier{placer: p, dirs: []level{{dir: dir, path: path.Dir(at)}}}
	defer c.close()
	if err := c.clear(path.Base(at), at); err != nil {
		return err
	}
	fd, err := unix.Openat(int(dir.Fd()), path.Base(at), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "create", Path: at, Err: err}
	}
	f := os.NewFile(uintptr(fd), at)
	defer f.Close()
	if _, err := f.WriteString(data); err != nil {
		return err
	}
	uid, gid := 0, 0
	if p.owner != nil {
		uid, gid = p.owner.uid, p.owner.gid
	}
	if err := p.owned(unix.Fchown(fd, uid, gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, p.chmod.apply(unix.S_IFREG|0o644)); err != nil {
		return err
	}
	return f.Close()
}
