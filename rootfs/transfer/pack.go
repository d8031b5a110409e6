// Package transfer moves files into and out of root file systems as tar
// archives, while whoever owns the root file system may change it: nothing
// outside of it is read or written, and nothing in it is waited for.
//
// Not here: finding root file systems (libpod/stage), and images (rootfs/archive).
package transfer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxDepth bounds the directories that are open at a time.
const maxDepth = 1000

type fileID struct{ dev, ino uint64 }

type packer struct {
	out   io.Writer
	tar   *tar.Writer
	links map[fileID]string // the first name of each file that has several
	warn  func(string)
	depth int
	buf   []byte
	// whole packs all attributes, not only those that may leave a container.
	whole bool
	// seen, where it is set, gets what each entry was when it was packed.
	seen map[string]stamp
}

// Pack writes what top, which is opened with O_PATH, is and holds as a tar
// archive in which it is called name; "" leaves a directory itself out. No link is
// followed, and nothing but directories and regular files is opened. warn is told, in one line each, what
// no archive can hold; may be nil.
func Pack(w io.Writer, top *os.File, name string, warn func(string)) error {
	if warn == nil {
		warn = func(string) {}
	}
	p := &packer{out: w, tar: tar.NewWriter(w), links: map[fileID]string{}, warn: warn}
	if err := p.entry(int(top.Fd()), name); err != nil {
		return err
	}
	return p.tar.Close()
}

// entry packs what fd, an O_PATH descriptor, stands for.
func (p *packer) entry(fd int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	h := header(name, &st)
	if p.seen != nil {
		p.seen[name] = stampOf(&st)
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFDIR {
		return p.directory(fd, h)
	}
	if st.Nlink > 1 {
		id := fileID{uint64(st.Dev), st.Ino}
		if first, ok := p.links[id]; ok {
			h.Typeflag, h.Linkname = tar.TypeLink, first
			return p.header(h)
		}
		defer func() { p.links[id] = name }()
	}
	switch kind {
	case unix.S_IFREG:
		return p.file(fd, h)
	case unix.S_IFLNK:
		target, err := readlink(fd)
		if err != nil {
			return &os.PathError{Op: "readlink", Path: name, Err: err}
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if kind == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(uint64(st.Rdev))), int64(unix.Minor(uint64(st.Rdev)))
	default:
		p.warn(fmt.Sprintf("%s is not copied: it is a socket", name))
		return nil
	}
	return p.header(h)
}

// header is what is packed of any kind of file.
func header(name string, st *unix.Stat_t) *tar.Header {
	return &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()), Format: tar.FormatPAX,
	}
}

func (p *packer) header(h *tar.Header) error {
	if err := p.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("cannot pack %q: %w", h.Name, err)
	}
	return nil
}

func readlink(fd int) (string, error) {
	var buf [4097]byte
	n, err := unix.Readlinkat(fd, "", buf[:])
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func (p *packer) directory(fd int, h *tar.Header) error {
	if p.depth++; p.depth > maxDepth {
		return fmt.Errorf("cannot pack %q: directories are nested more than %d deep", h.Name, maxDepth)
	}
	defer func() { p.depth-- }()
	n, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: h.Name, Err: err}
	}
	dir := os.NewFile(uintptr(n), h.Name)
	defer dir.Close()
	child := h.Name + "/"
	if h.Name == "/" {
		child = "/"
	}
	if h.Name == "." || h.Name == "" {
		child = ""
	}
	if h.Name != "" {
		if err := p.directoryHeader(n, h); err != nil {
			return err
		}
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	sort.Strings(names)
	for _, name := range names {
		if err := p.child(n, name, child+name); err != nil {
			return err
		}
	}
	return nil
}

// directoryHeader packs the directory that fd is open on, without what it holds.
func (p *packer) directoryHeader(fd int, h *tar.Header) error {
	head := *h
	head.Typeflag, head.PAXRecords = tar.TypeDir, p.attributes(fd)
	head.Name = strings.TrimSuffix(h.Name, "/") + "/"
	return p.header(&head)
}

func (p *packer) child(dir int, name, full string) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil // removed meanwhile
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: full, Err: err}
	}
	defer unix.Close(fd)
	return p.entry(fd, full)
}

// file packs a regular file as large as it was when it was looked at: what it
// lacks since then is zeros.
func (p *packer) file(fd int, h *tar.Header) error {
	n, err := unix.Open(procFD(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: h.Name, Err: err}
	}
	f := os.NewFile(uintptr(n), h.Name)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(n, &st); err != nil {
		return &os.PathError{Op: "stat", Path: h.Name, Err: err}
	}
	h.Typeflag, h.Size, h.PAXRecords = tar.TypeReg, st.Size, p.attributes(n)
	if st.Blocks*512 < st.Size {
		if parts, ok := dataIn(n, st.Size); ok {
			return p.sparse(f, h, parts)
		}
	}
	if err := p.header(h); err != nil {
		return err
	}
	return p.copyExactly(p.tar, f, h.Size)
}

// copyChunk is how much of a file is copied at a time.
const copyChunk = 128 << 10

// copyExactly copies n bytes, zeros where the file has become shorter.
func (p *packer) copyExactly(w io.Writer, f *os.File, n int64) error {
	if p.buf == nil {
		p.buf = make([]byte, copyChunk)
	}
	w = struct{ io.Writer }{w}
	done, err := io.CopyBuffer(w, io.LimitReader(f, n), p.buf)
	if err == nil && done < n {
		_, err = io.CopyBuffer(w, io.LimitReader(zeros{}, n-done), p.buf)
	}
	if err != nil {
		return fmt.Errorf("cannot copy %q: %w", f.Name(), err)
	}
	return nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// attributes are the extended attributes that belong to the file and not to the
// file system that holds it, as PAX records.
func (p *packer) attributes(fd int) map[string]string {
	size, err := unix.Flistxattr(fd, nil)
	if err != nil || size == 0 {
		return nil
	}
	list := make([]byte, size)
	if size, err = unix.Flistxattr(fd, list); err != nil {
		return nil
	}
	var out map[string]string
	for _, name := range strings.FieldsFunc(string(list[:size]), func(r rune) bool { return r == 0 }) {
		if !carried(name, p.whole) || strings.Contains(name, "=") {
			continue
		}
		size, err := unix.Fgetxattr(fd, name, nil)
		if err != nil {
			continue // gone, or not for us to see
		}
		value := make([]byte, size)
		if size, err = unix.Fgetxattr(fd, name, value); err != nil {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[xattrPrefix+name] = string(value[:size])
	}
	return out
}

const xattrPrefix = "SCHILY.xattr."

// carried says whether an attribute belongs to the file: those of the kernel's that
// only its owner's machine knows what to make of are in whole copies alone.
func carried(name string, whole bool) bool {
	if whole && (strings.HasPrefix(name, "system.posix_acl_") || strings.HasPrefix(name, "trusted.") && !strings.HasPrefix(name, "trusted.overlay.")) {
		return true
	}
	return name == "security.capability" || strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.")
}

// procFD names what the descriptor is open on, whatever its path is now.
func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// BaseName is the name that a copy of path gets in a directory; contents says
// that path asks for what is in it, and not for itself. Docker: cp SRC/.
func BaseName(p string) (name string, contents bool) {
	name = path.Base(path.Clean("/" + p))
	contents = path.Base(p) == "." && strings.HasSuffix(p, ".") || name == "/"
	return name, contents
}
