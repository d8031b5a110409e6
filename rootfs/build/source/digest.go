package source

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"skiff/rootfs/copytree"
)

// sum is a SHA-256.
type sum [sha256.Size]byte

// digestVersion is a part of each digest; it changes with what is below.
const digestVersion = "skiff selection 1\x00"

// Digest tells the content of a selection from others: names as they will land,
// types, modes, owners if the tree is Owned, link targets, extended attributes,
// and bytes. Neither times nor how often a file is linked count.
func (t *Tree) Digest(sel Selection) (digest.Digest, error) {
	entries, err := t.Select(sel)
	if err != nil {
		return "", err
	}
	d := newDigester(t)
	for _, e := range entries {
		if err = d.entry(e); err != nil {
			break
		}
	}
	return d.finish(err)
}

// digester writes down what a walk shows. Contents are hashed by other
// goroutines meanwhile; their places are filled in at the end.
type digester struct {
	tree *Tree
	text []byte
	jobs chan job
	wg   sync.WaitGroup

	mu      sync.Mutex
	results []result
	failed  error
}

type job struct {
	file *os.File
	stat unix.Stat_t
	at   int
}

type result struct {
	at  int
	sum sum
}

func newDigester(t *Tree) *digester {
	d := &digester{tree: t, text: []byte(digestVersion), jobs: make(chan job, 32)}
	for range runtime.GOMAXPROCS(0) {
		d.wg.Add(1)
		go d.work()
	}
	return d
}

func (d *digester) work() {
	defer d.wg.Done()
	buf := make([]byte, 256<<10)
	for j := range d.jobs {
		s, err := d.tree.Digests.content(j.file, &j.stat, d.tree.Owned, buf)
		j.file.Close()
		d.mu.Lock()
		if err == nil {
			d.results = append(d.results, result{j.at, s})
		} else if d.failed == nil {
			d.failed = err
		}
		d.mu.Unlock()
	}
}

// finish waits for the workers and gives the digest, or the failure.
func (d *digester) finish(err error) (digest.Digest, error) {
	close(d.jobs)
	d.wg.Wait()
	if err == nil {
		err = d.failed
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the %s: %w", d.tree.Name, err)
	}
	for _, r := range d.results {
		copy(d.text[r.at:], r.sum[:])
	}
	return digest.FromBytes(d.text), nil
}

func (d *digester) number(n uint64) { d.text = binary.AppendUvarint(d.text, n) }

func (d *digester) string(s string) {
	d.number(uint64(len(s)))
	d.text = append(d.text, s...)
}

func (d *digester) entry(e Entry) error {
	if e.Dir {
		d.string("directory")
	} else {
		d.string("file")
		d.string(e.Name)
	}
	err := d.tree.Walk(e, Visitor{Visit: d.visit})
	d.string("end")
	return err
}

func (d *digester) visit(f *File) error {
	if f.Rel == "" && f.dir != nil {
		return nil // only what is in it is copied
	}
	d.string(f.Rel)
	kind := f.Kind()
	mode := f.Stat.Mode
	if kind == unix.S_IFLNK {
		mode = unix.S_IFLNK
	}
	d.number(uint64(mode))
	if d.tree.Owned {
		d.number(uint64(f.Stat.Uid))
		d.number(uint64(f.Stat.Gid))
	}
	switch kind {
	case unix.S_IFREG:
		return d.regular(f)
	case unix.S_IFDIR:
		h := sha256.New()
		if d.tree.Owned {
			if err := hashAttributes(h, int(f.dir.Fd())); err != nil {
				return err
			}
		}
		d.text = h.Sum(d.text)
	case unix.S_IFLNK:
		target, err := f.Readlink()
		if err != nil {
			return err
		}
		d.string(target)
	case unix.S_IFCHR, unix.S_IFBLK:
		d.number(f.Stat.Rdev)
	}
	return nil
}

// regular leaves room for the sum of a file's content.
func (d *digester) regular(f *File) error {
	if s, ok := d.tree.Digests.lookup(&f.Stat); ok && !d.tree.Owned {
		d.text = append(d.text, s[:]...)
		return nil
	}
	file, err := f.Open()
	if err != nil {
		return err
	}
	at := len(d.text)
	d.text = append(d.text, make([]byte, sha256.Size)...)
	d.jobs <- job{file, f.Stat, at}
	return nil
}

// hashFile sums up a file's bytes and, where owners count, attributes. As it may grow without end, no
// more is read than it had when it was opened.
func hashFile(file *os.File, st *unix.Stat_t, owned bool, buf []byte) (sum, error) {
	h := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{h}, io.LimitReader(file, st.Size), buf)
	if err != nil {
		return sum{}, err
	}
	if n != st.Size {
		return sum{}, &os.PathError{Op: "read", Path: file.Name(), Err: ErrChanged}
	}
	if owned {
		if err := hashAttributes(h, int(file.Fd())); err != nil {
			return sum{}, err
		}
	}
	return sum(h.Sum(nil)), nil
}

// hashAttributes adds those extended attributes to h that are copied.
func hashAttributes(h hash.Hash, fd int) error {
	return copytree.EachAttribute(fd, func(name string, value []byte) error {
		fmt.Fprintf(h, "\x00%d %s %d ", len(name), name, len(value))
		h.Write(value)
		return nil
	})
}
