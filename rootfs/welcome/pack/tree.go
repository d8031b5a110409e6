package pack

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Tree takes a layer's files. Paths are relative to the image's root; the
// owner is root unless Copy finds another one.
type Tree struct {
	tw      *tar.Writer
	created time.Time
	dirs    map[string]bool // a directory may be named again; it is written once
}

// Dir adds a directory with mode bits as for chmod(2), such as 0o1777.
func (t *Tree) Dir(path string, mode int64) error {
	return t.header(&tar.Header{Name: path + "/", Typeflag: tar.TypeDir, Mode: mode})
}

// Dirs adds directories with mode 0755.
func (t *Tree) Dirs(paths ...string) error {
	for _, p := range paths {
		if err := t.Dir(p, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// File adds a file with the given content.
func (t *Tree) File(path string, mode int64, content string) error {
	err := t.header(&tar.Header{Name: path, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(content))})
	if err != nil {
		return err
	}
	_, err = io.WriteString(t.tw, content)
	return err
}

// Link adds a symbolic link.
func (t *Tree) Link(path, to string) error {
	return t.header(&tar.Header{Name: path, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777})
}

// CopyFile adds a file of the host under another name.
func (t *Tree) CopyFile(path string, mode int64, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return t.File(path, mode, string(data))
}

// Copy adds what is below a directory of the host, with its owners and modes.
func (t *Tree) Copy(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if target, err = os.Readlink(path); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, target)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		h.Name = rel
		if d.IsDir() {
			h.Name += "/"
		}
		h.Uname, h.Gname = "", ""
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			h.Uid, h.Gid = int(st.Uid), int(st.Gid)
		}
		if err := t.header(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		return t.content(path, info.Size())
	})
}

func (t *Tree) content(path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := io.Copy(t.tw, f); err != nil || n != size {
		return fmt.Errorf("%s changed while it was read (%v)", path, err)
	}
	return nil
}

func (t *Tree) header(h *tar.Header) error {
	if h.Typeflag == tar.TypeDir {
		if t.dirs[h.Name] {
			return nil
		}
		t.dirs[h.Name] = true
	}
	h.ModTime = t.created
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	h.Format = tar.FormatPAX
	return t.tw.WriteHeader(h)
}
