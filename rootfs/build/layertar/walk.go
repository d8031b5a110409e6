package layertar

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/layer"
)

// The walk is ahead of the writer by so many files, and reads those up to small
// for it. Together they bound what is held in memory.
const (
	ahead = 256
	small = 64 << 10
	// maxPath is what the kernel takes: what lies deeper can be unpacked nowhere.
	maxPath = 4095
	// maxDepth bounds the open directories, as copytree does.
	maxDepth = 400
)

const whiteout, opaque = ".wh.", ".wh..wh..opq"

// entry is one of the archive's, with its content or the file that has it.
type entry struct {
	header  *tar.Header
	content []byte
	file    *os.File
	err     error
}

func (e *entry) close() {
	if e.file != nil {
		e.file.Close()
	}
}

type fileID struct{ dev, ino uint64 }

// walker goes through a layer in the order of its names. It follows no links.
type walker struct {
	Options
	ctx   context.Context //nolint:containedctx // lives as long as one call of walk
	out   chan<- *entry
	links map[fileID]string
	// mark is the attribute of opaque directories and marks what all of overlay's
	// begin with.
	marks string
	depth int
}

// walk sends the entries of the trees, the last one perhaps with an error, and
// closes out.
func walk(ctx context.Context, trees []Tree, o Options, out chan<- *entry) {
	defer close(out)
	marks := "trusted.overlay."
	if layer.InUserNamespace() {
		marks = "user.overlay."
	}
	for _, t := range trees {
		w := &walker{Options: o, ctx: ctx, out: out, links: map[fileID]string{}, marks: marks}
		if err := w.tree(t); err != nil {
			_ = w.send(&entry{err: err})
			return
		}
	}
}

func (w *walker) tree(t Tree) error {
	fd, err := unix.Open(t.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: t.Dir, Err: err}
	}
	if t.Prefix != "" {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			unix.Close(fd)
			return err
		}
		if err := w.send(&entry{header: w.header(strings.TrimSuffix(t.Prefix, "/"), &st)}); err != nil {
			unix.Close(fd)
			return err
		}
	}
	return w.directory(os.NewFile(uintptr(fd), t.Dir), t.Prefix)
}

func (w *walker) send(e *entry) error {
	select {
	case w.out <- e:
		return nil
	case <-w.ctx.Done():
		e.close()
		return w.ctx.Err()
	}
}

// directory sends what is in d, whose path in the archive is prefix (empty, or
// ending in a slash), and closes it.
func (w *walker) directory(d *os.File, prefix string) error {
	defer d.Close()
	if w.depth++; w.depth > maxDepth {
		return fmt.Errorf("%q: directories are nested more than %d deep", prefix, maxDepth)
	}
	defer func() { w.depth-- }()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("%q: %w", prefix, err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := w.entry(int(d.Fd()), name, prefix); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(dir int, name, prefix string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("%q: %w", prefix+name, err)
	}
	switch {
	case len(prefix)+len(name) > maxPath:
		return fmt.Errorf("%q: the path is too long", prefix+name)
	case strings.HasPrefix(name, whiteout) && !w.whole:
		return fmt.Errorf("%q: no image can hold a name that begins with %q, which marks removed files", prefix+name, whiteout)
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFCHR && st.Rdev == 0 && !w.whole {
		return w.send(&entry{header: mark(prefix + whiteout + name)})
	}
	if kind == unix.S_IFSOCK {
		return nil // archives know no sockets
	}
	e := &entry{header: w.header(prefix+name, &st)}
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		id := fileID{uint64(st.Dev), st.Ino}
		if first, ok := w.links[id]; ok {
			e.header.Typeflag, e.header.Linkname, e.header.Size = tar.TypeLink, first, 0
		} else {
			w.links[id] = prefix + name
		}
	}
	isOpaque, err := w.attributes(dir, name, e.header)
	if err == nil {
		err = w.fill(dir, name, e, &st)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", prefix+name, err)
	}
	if kind == unix.S_IFDIR {
		return w.subdirectory(dir, name, e, isOpaque)
	}
	return w.send(e)
}

func (w *walker) subdirectory(dir int, name string, e *entry, isOpaque bool) error {
	path := e.header.Name
	if err := w.send(e); err != nil {
		return err
	}
	if isOpaque {
		if err := w.send(&entry{header: mark(path + opaque)}); err != nil {
			return err
		}
	}
	d, err := openAt(dir, name, unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return w.directory(os.NewFile(uintptr(d), path), path)
}

// mark is the header of an empty file that says something about its neighbours.
func mark(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Format: tar.FormatPAX, ModTime: time.Unix(0, 0)}
}

func (w *walker) header(name string, st *unix.Stat_t) *tar.Header {
	h := &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid), Format: tar.FormatPAX,
		// Whole seconds, as other builders do: more would take a record for each file.
		ModTime: time.Unix(st.Mtim.Sec, 0),
	}
	if w.Epoch != nil && h.ModTime.After(*w.Epoch) {
		h.ModTime = time.Unix(w.Epoch.Unix(), 0)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR:
		h.Typeflag = tar.TypeChar
	case unix.S_IFBLK:
		h.Typeflag = tar.TypeBlock
	}
	if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	return h
}

// fill adds a file's content or a symbolic link's target.
func (w *walker) fill(dir int, name string, e *entry, st *unix.Stat_t) error {
	switch e.header.Typeflag {
	case tar.TypeSymlink:
		buf := make([]byte, maxPath+1)
		n, err := unix.Readlinkat(dir, name, buf)
		e.header.Linkname = string(buf[:max(n, 0)])
		return err
	case tar.TypeReg:
		if st.Size == 0 {
			return nil
		}
		fd, err := openAt(dir, name, 0)
		if err != nil {
			return err
		}
		if st.Size > small {
			e.file = os.NewFile(uintptr(fd), name)
			_ = unix.Fadvise(fd, 0, min(st.Size, 16<<20), unix.FADV_WILLNEED)
			return nil
		}
		defer unix.Close(fd)
		e.content, err = readAll(fd, st.Size)
		return err
	}
	return nil
}

// openAt gives a bare descriptor: an os.File would ask the kernel each time
// whether one can wait for the file.
func openAt(dir int, name string, flags int) (int, error) {
	return unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|flags, 0)
}

func readAll(fd int, size int64) ([]byte, error) {
	content := make([]byte, size)
	for at := 0; at < len(content); {
		n, err := unix.Read(fd, content[at:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, errors.New("it changed while it was read")
		}
		at += n
	}
	return content, nil
}

// attributes adds the extended attributes that images have: capabilities and the
// user's.
func (w *walker) attributes(dir int, name string, h *tar.Header) (isOpaque bool, err error) {
	path := "/proc/self/fd/" + strconv.Itoa(dir) + "/" + name
	var list [1024]byte
	names := list[:]
	n, err := unix.Llistxattr(path, names)
	if errors.Is(err, unix.ERANGE) {
		names = make([]byte, 64<<10) // XATTR_LIST_MAX
		n, err = unix.Llistxattr(path, names)
	}
	if errors.Is(err, unix.ENOTSUP) || err == nil && n == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for attr := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		ours := strings.HasPrefix(attr, w.marks) && !w.whole
		switch {
		case ours && attr != w.marks+"opaque":
			continue
		case !ours && attr != "security.capability" && !strings.HasPrefix(attr, "user."):
			continue
		}
		value, err := attribute(path, attr)
		if err != nil {
			return false, fmt.Errorf("attribute %s: %w", attr, err)
		}
		if ours {
			isOpaque = isOpaque || string(value) == "y"
			continue
		}
		if h.Typeflag == tar.TypeLink {
			continue // the first name has them
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+attr] = string(value)
	}
	return isOpaque, nil
}

func attribute(path, name string) ([]byte, error) {
	value := make([]byte, 256)
	n, err := unix.Lgetxattr(path, name, value)
	if errors.Is(err, unix.ERANGE) {
		value = make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err = unix.Lgetxattr(path, name, value)
	}
	return value[:max(n, 0)], err
}
