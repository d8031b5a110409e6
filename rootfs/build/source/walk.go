package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// maxDepth bounds the open directories: a tree can be deeper than a process has
// descriptors.
const maxDepth = 400

// ErrChanged: a file became another one while it was read.
var ErrChanged = errors.New("it changed while it was read")

// File is one file that a walk shows. It is good until the visitor returns, that
// of a directory until it has been left.
type File struct {
	// Path is where it is in the tree, and Rel where it is below the entry: "" for
	// the entry itself.
	Path, Rel string
	Stat      unix.Stat_t
	// parent holds it under the name, or with -1 it is dir itself.
	parent int
	name   string
	dir    *os.File
}

// Kind is the file's type, one of unix.S_IFMT.
func (f *File) Kind() uint32 { return f.Stat.Mode & unix.S_IFMT }

// Dir is the open directory that a File is.
func (f *File) Dir() *os.File { return f.dir }

// Open opens a regular file for reading. What is no longer the file that was
// shown is ErrChanged.
func (f *File) Open() (*os.File, error) {
	// Nonblocking, in case that it is a FIFO by now.
	fd, err := unix.Openat(f.parent, f.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_LARGEFILE, 0)
	if err != nil {
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
			err = ErrChanged
		}
		return nil, &os.PathError{Op: "open", Path: f.Path, Err: err}
	}
	file := os.NewFile(uintptr(fd), f.Path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		file.Close()
		return nil, err
	}
	if st.Ino != f.Stat.Ino || st.Dev != f.Stat.Dev || st.Mode&unix.S_IFMT != unix.S_IFREG {
		file.Close()
		return nil, &os.PathError{Op: "open", Path: f.Path, Err: ErrChanged}
	}
	return file, nil
}

// Readlink gives the target of a symbolic link.
func (f *File) Readlink() (string, error) {
	var buf [4096]byte
	n, err := unix.Readlinkat(f.parent, f.name, buf[:])
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: f.Path, Err: err}
	}
	return string(buf[:n]), nil
}

// Visitor is told what a walk comes by.
type Visitor struct {
	// Visit is told of each file, of a directory before what is in it.
	Visit func(f *File) error
	// Leave, which may be nil, is told of each directory after what is in it.
	Leave func(f *File) error
}

// Walk shows what an entry stands for, in each directory in the order of the
// names' bytes. Directories that are left out, but not all that is in them, are
// shown before the first file that is not. Links are not followed, and sockets,
// which mean nothing without their process, are left out.
func (t *Tree) Walk(e Entry, to Visitor) error {
	w := walker{tree: t, to: to}
	if err := w.compile(e); err != nil {
		return err
	}
	if !e.Dir {
		return w.single(e)
	}
	above, err := w.ignore.descend(e.Path, false)
	if err != nil {
		return err
	}
	f, err := t.Root.Open(path.Join("/", e.Path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer f.Close()
	top := &File{Path: e.Path, parent: -1, dir: f}
	if err := unix.Fstat(int(f.Fd()), &top.Stat); err != nil {
		return err
	}
	return w.directory(top, judged{ignored: above, shown: true})
}

type walker struct {
	tree *Tree
	to   Visitor
	// Of these, ignore speaks of paths in the tree, the others of those below the
	// entry.
	ignore, include, exclude *matcher
	// pending are directories above that are left out, and not shown so far.
	pending []*File
	depth   int
}

// judged is what the patterns say of a directory.
type judged struct {
	ignored, included, excluded verdict
	shown                       bool
}

func (w *walker) compile(e Entry) (err error) {
	if w.ignore, err = newMatcher(w.tree.ignore); err != nil {
		return err
	}
	if w.exclude, err = newMatcher(e.exclude); err != nil {
		return err
	}
	w.include, err = newInclusion(e.include)
	return err
}

// single shows an entry that is no directory.
func (w *walker) single(e Entry) error {
	dir, err := w.tree.Root.Open(path.Join("/", path.Dir(e.Path)), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dir.Close()
	f := &File{Path: e.Path, parent: int(dir.Fd()), name: path.Base(e.Path)}
	if err := unix.Fstatat(f.parent, f.name, &f.Stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "stat", Path: e.Path, Err: err}
	}
	switch f.Kind() {
	case unix.S_IFDIR:
		return &os.PathError{Op: "read", Path: e.Path, Err: ErrChanged}
	case unix.S_IFSOCK:
		return nil
	}
	return w.to.Visit(f)
}

// directory shows an open directory and what is in it.
func (w *walker) directory(f *File, j judged) error {
	if w.depth++; w.depth > maxDepth {
		return fmt.Errorf("cannot read %s: directories are nested more than %d deep", f.Path, maxDepth)
	}
	defer func() { w.depth-- }()
	w.pending = append(w.pending, f)
	if j.shown {
		if err := w.flush(); err != nil {
			return err
		}
	}
	children, err := w.children(f, j)
	if err != nil {
		return err
	}
	for i := range children {
		if err := w.child(&children[i]); err != nil {
			return err
		}
	}
	if n := len(w.pending); n > 0 && w.pending[n-1] == f {
		w.pending = w.pending[:n-1]
		return nil // nothing of it is wanted
	}
	if w.to.Leave != nil {
		return w.to.Leave(f)
	}
	return nil
}

func readNames(dir *os.File) ([]string, error) {
	names, err := dir.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// child is what a directory holds.
type child struct {
	File
	judged
	err error // of stat
}

// children are those files of a directory that are shown, and those directories
// in which something may be.
func (w *walker) children(in *File, above judged) ([]child, error) {
	names, err := readNames(in.dir)
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: in.Path, Err: err}
	}
	prefix, rel := in.Path+"/", ""
	if in.Path == "." {
		prefix = ""
	}
	if in.Rel != "" {
		rel = in.Rel + "/"
	}
	out := make([]child, 0, len(names))
	for _, name := range names {
		c := child{File: File{Path: prefix + name, Rel: rel + name, parent: int(in.dir.Fd()), name: name}}
		var deeper bool
		if c.judged, deeper, err = w.judge(&c.File, above); err != nil {
			return nil, err
		}
		if c.shown || deeper {
			out = append(out, c)
		}
	}
	statAll(out)
	return out, nil
}

// parallelFrom is the number of files from which looking at them is shared.
const parallelFrom = 64

// statAll looks at files of one directory.
func statAll(files []child) {
	stat := func(files []child) {
		for i := range files {
			c := &files[i]
			c.err = unix.Fstatat(c.parent, c.name, &c.Stat, unix.AT_SYMLINK_NOFOLLOW)
		}
	}
	n := min(runtime.GOMAXPROCS(0), len(files)/parallelFrom+1)
	var wg sync.WaitGroup
	for i := 1; i < n; i++ {
		part := files[len(files)*i/n : len(files)*(i+1)/n]
		wg.Go(func() { stat(part) })
	}
	stat(files[:len(files)/n])
	wg.Wait()
}

// child shows what a directory holds.
func (w *walker) child(c *child) error {
	if errors.Is(c.err, unix.ENOENT) {
		return nil // removed meanwhile
	}
	if c.err != nil {
		return &os.PathError{Op: "stat", Path: c.Path, Err: c.err}
	}
	f := &c.File
	if f.Kind() == unix.S_IFDIR {
		fd, err := unix.Openat(f.parent, f.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: f.Path, Err: err}
		}
		f.dir = os.NewFile(uintptr(fd), f.Path)
		defer f.dir.Close()
		return w.directory(f, c.judged)
	}
	if !c.shown || f.Kind() == unix.S_IFSOCK {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.to.Visit(f)
}

// judge says whether f is shown, and whether something in it may be.
func (w *walker) judge(f *File, above judged) (j judged, deeper bool, err error) {
	if j.ignored, err = w.ignore.judge(f.Path, above.ignored, false); err != nil {
		return j, false, err
	}
	if j.included, err = w.include.judge(f.Rel, above.included, true); err != nil {
		return j, false, err
	}
	if j.excluded, err = w.exclude.judge(f.Rel, above.excluded, false); err != nil {
		return j, false, err
	}
	j.shown = !j.ignored.match && j.included.match && !j.excluded.match
	deeper = (!j.ignored.match || w.ignore.reaches(f.Path)) &&
		(j.included.match || w.include.reaches(f.Rel)) &&
		(!j.excluded.match || w.exclude.reaches(f.Rel))
	return j, deeper, nil
}

// flush shows the directories that lead to something that is shown.
func (w *walker) flush() error {
	for len(w.pending) > 0 {
		f := w.pending[0]
		w.pending = w.pending[1:]
		if err := w.to.Visit(f); err != nil {
			return err
		}
	}
	return nil
}
