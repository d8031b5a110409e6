// Package tarball takes archives apart that builds are given: contexts, and what
// ADD unpacks. Nobody vouches for them, so all is bounded.
//
// Not here: where an archive's files may go (rootfs/transfer).
package tarball

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
	"skiff/rootfs/transfer"
)

// Errors of this package.
var (
	// ErrNoArchive: it is no tar archive, nor a compressed one.
	ErrNoArchive = errors.New("it is no tar archive, nor one compressed with gzip, bzip2, xz or zstd")
	// ErrTooLarge: what comes out of it is more than is taken.
	ErrTooLarge = errors.New("it is too large")
)

// Limits of what is unpacked from one archive (docs/man/skiff-build.1.md).
const (
	// MaxEntries bounds the files.
	MaxEntries = 2_000_000
	// MaxBytes bounds their sizes together, holes included.
	MaxBytes = 8 << 40
	// MaxRatio bounds what a byte of the archive becomes, from ratioFrom bytes on.
	MaxRatio  = 10_000
	ratioFrom = 1 << 30
	// Reserve is what stays free on the file system, or a fiftieth of it if that is
	// less.
	Reserve = 256 << 20

	// maxWindow is the memory that a zstd archive may ask for, as in zstd(1).
	maxWindow = 128 << 20
	// checkEvery is how often the free space is looked at, in bytes and in files.
	checkEvery, checkFiles = 32 << 20, 4096
)

// Reader is an archive without its compression.
type Reader struct {
	ctx  context.Context
	raw  counter
	text *bufio.Reader
	// read is how much came out of it.
	read  int64
	close func()
}

// counter counts what is read of an archive.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// Open looks whether r is an archive, by its content: ErrNoArchive if it is not.
// Close the Reader in the end; r stays open.
func Open(ctx context.Context, r io.Reader) (*Reader, error) {
	a := &Reader{ctx: ctx, raw: counter{Reader: r}, close: func() {}}
	plain, err := a.decompress(bufio.NewReaderSize(&a.raw, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", ErrNoArchive, err)
	}
	a.text = bufio.NewReaderSize(plain, 64<<10)
	head, _ := a.text.Peek(512)
	if !isTar(head) {
		a.Close()
		return nil, ErrNoArchive
	}
	return a, nil
}

// isTar looks at the first block of a file. An archive of nothing is none.
func isTar(head []byte) bool {
	_, err := tar.NewReader(bytes.NewReader(head)).Next()
	return len(head) == 512 && (err == nil || errors.Is(err, io.ErrUnexpectedEOF))
}

// Sniff reports whether the beginning of a file, 512 bytes of it, looks like an
// archive's, compressed or not.
func Sniff(head []byte) bool { return compression(head) != "" || isTar(head) }

// compression names that of a file with this beginning.
func compression(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}):
		return "gzip"
	case bytes.HasPrefix(head, []byte("BZh")):
		return "bzip2"
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return "xz"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd"
	}
	return ""
}

func (a *Reader) decompress(in *bufio.Reader) (io.Reader, error) {
	head, _ := in.Peek(6)
	switch compression(head) {
	case "gzip":
		return gzip.NewReader(in)
	case "bzip2":
		return bzip2.NewReader(in), nil
	case "xz":
		return xz.NewReader(in)
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			a.close = z.Close
		}
		return z, err
	}
	return in, nil
}

// Close ends the use of the archive.
func (a *Reader) Close() { a.close() }

// Read reads the plain archive.
func (a *Reader) Read(p []byte) (int, error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := a.text.Read(p)
	a.read += int64(n)
	if a.read > ratioFrom && a.read/MaxRatio > a.raw.n {
		return n, fmt.Errorf("%w: more than %d times its size", ErrTooLarge, MaxRatio)
	}
	return n, err
}

// Unpack unpacks the archive below the path base of root, within the limits.
func (a *Reader) Unpack(root *safepath.Root, base string, opt transfer.UnpackOptions) error {
	top, err := root.Open("/", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer top.Close()
	g := guard{archive: a, fd: int(top.Fd())}
	opt.Admit = g.admit
	return transfer.Unpack(&g, root, base, opt)
}

// guard keeps an archive that is unpacked within the limits.
type guard struct {
	archive *Reader
	fd      int
	entries int
	bytes   int64
	next    int64 // when the free space is looked at again
}

func (g *guard) Read(p []byte) (int, error) {
	if g.archive.read >= g.next {
		g.next = g.archive.read + checkEvery
		if err := g.space(); err != nil {
			return 0, err
		}
	}
	return g.archive.Read(p)
}

// admit is asked about each entry before it is made.
func (g *guard) admit(h *tar.Header) error {
	if err := g.archive.ctx.Err(); err != nil {
		return err
	}
	g.entries++
	g.bytes += h.Size
	switch {
	case g.entries > MaxEntries:
		return fmt.Errorf("%w: more than %d files", ErrTooLarge, MaxEntries)
	case g.bytes > MaxBytes || g.bytes < 0:
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, int64(MaxBytes))
	case g.entries%checkFiles == 0:
		return g.space()
	}
	return nil
}

func (g *guard) space() error { return Room(g.fd) }

// Room reports ErrTooLarge if what is left of the open file's file system is not
// to be used up.
func Room(fd int) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	free, all := int64(st.Bavail)*st.Bsize, int64(st.Blocks)*st.Bsize
	if reserve := min(Reserve, all/50); free < reserve {
		return fmt.Errorf("%w: %d MB are left on the file system", ErrTooLarge, free>>20)
	}
	if st.Files > 0 && st.Ffree < min(checkFiles, st.Files/50) {
		return fmt.Errorf("%w: %d inodes are left on the file system", ErrTooLarge, st.Ffree)
	}
	return nil
}
