package transfer

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
)

// removedKey is a record about the archive: names that were packed and are gone,
// with zero bytes between. maxRemoved bounds one record; readers have a bound, too.
const (
	removedKey = "SKIFF.removed"
	maxRemoved = 64 << 10
)

// margin is how much older than the first pass a file must be to be believed
// unchanged by its times, which tick less often than the clock.
const margin = 2 * time.Second

// stamp tells a file from what it was: any write changes the times.
type stamp struct {
	ino          uint64
	size         int64
	mode         uint32
	mtime, ctime unix.Timespec
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{st.Ino, st.Size, st.Mode, st.Mtim, st.Ctim}
}

func (s stamp) kind() uint32 { return s.mode & unix.S_IFMT }

// before says whether the file was left alone from t on.
func (s stamp) before(t time.Time) bool {
	return time.Unix(s.mtime.Unix()).Before(t) && time.Unix(s.ctime.Unix()).Before(t)
}

// Passes packs a directory that others write to: First while they do, Second when
// they stand still, which packs again what was changed since. Of two entries with one
// name the later counts. The archive has all attributes and can be unpacked with
// UnpackOptions.Whole.
type Passes struct {
	p     *packer
	top   *os.File
	began time.Time
}

// NewPasses begins an archive of top, which is opened with O_PATH, with records
// about it. warn is as in Pack.
func NewPasses(w io.Writer, top *os.File, records map[string]string, warn func(string)) (*Passes, error) {
	if warn == nil {
		warn = func(string) {}
	}
	s := &Passes{top: top, p: &packer{out: w, tar: tar.NewWriter(w), links: map[fileID]string{}, warn: warn, whole: true}}
	return s, s.global(records)
}

func (s *Passes) global(records map[string]string) error {
	return s.p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: records, Format: tar.FormatPAX})
}

// All packs everything, once: nobody writes to the directory.
func (s *Passes) All() error { return s.p.entry(int(s.top.Fd()), ".") }

// First packs everything and remembers what it was.
func (s *Passes) First() error {
	s.began = time.Now().Add(-margin)
	// A page that a program has mapped and written to shows in the times only when it
	// is written for the first time after it was written back.
	dir, err := os.Open(procFD(int(s.top.Fd())))
	if err != nil {
		return err
	}
	err = unix.Syncfs(int(dir.Fd()))
	if cerr := dir.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	s.p.seen = map[string]stamp{}
	return s.All()
}

// Second packs what is not as First found it, and tells what is gone.
func (s *Passes) Second() error {
	before := s.p.seen
	s.p.seen, s.p.links = nil, map[fileID]string{}
	if err := s.again(int(s.top.Fd()), ".", before); err != nil {
		return err
	}
	gone := make([]string, 0, len(before))
	for name := range before {
		gone = append(gone, name)
	}
	sort.Strings(gone)
	for len(gone) > 0 {
		n, size := 0, 0
		for n < len(gone) && (n == 0 || size+len(gone[n]) < maxRemoved) {
			size += len(gone[n]) + 1
			n++
		}
		if err := s.global(map[string]string{removedKey: strings.Join(gone[:n], "\x00")}); err != nil {
			return err
		}
		gone = gone[n:]
	}
	return nil
}

// Close ends the archive.
func (s *Passes) Close() error { return s.p.tar.Close() }

// again packs what fd stands for if it has changed, and takes it from before.
func (s *Passes) again(fd int, name string, before map[string]stamp) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	now := stampOf(&st)
	old, known := before[name]
	delete(before, name)
	if known && old.kind() != now.kind() {
		if err := s.global(map[string]string{removedKey: name}); err != nil {
			return err
		}
	}
	changed := !known || old != now || !now.before(s.began)
	if now.kind() != unix.S_IFDIR {
		if !changed {
			return nil
		}
		return s.p.entry(fd, name)
	}
	return s.directoryAgain(fd, name, changed, before)
}

func (s *Passes) directoryAgain(fd int, name string, changed bool, before map[string]stamp) error {
	n, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	dir := os.NewFile(uintptr(n), name)
	defer dir.Close()
	if changed {
		var st unix.Stat_t
		if err := unix.Fstat(n, &st); err != nil {
			return err
		}
		if err := s.p.directoryHeader(n, header(name, &st)); err != nil {
			return err
		}
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, child := range names {
		c, err := unix.Openat(n, child, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "open", Path: path.Join(name, child), Err: err}
		}
		err = s.again(c, path.Join(name, child), before)
		unix.Close(c)
		if err != nil {
			return err
		}
	}
	return nil
}

// global carries out what a record about the archive asks for.
func (u *unpacker) global(records map[string]string) error {
	if u.opt.Global != nil {
		if err := u.opt.Global(records); err != nil {
			return err
		}
	}
	if list := records[removedKey]; u.opt.Whole && list != "" {
		for name := range strings.SplitSeq(list, "\x00") {
			if err := u.remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove takes away what the archive says is gone.
func (u *unpacker) remove(name string) error {
	target, err := u.locate(name)
	if err != nil || target == "/" {
		return err
	}
	u.leave()
	dir, base := path.Split(target)
	parent, err := u.root.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil // it went with its directory
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	return safepath.RemoveAllAt(parent, base)
}
