// Package layertar makes archives of layers: an overlay upper directory as the
// OCI's layer format has it, with the same bytes for the same files each time.
//
// Not here: unpacking (rootfs/store), compression, which steps make up an image.
package layertar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vbatts/tar-split/tar/storage"
)

// Options say what is not archived as it is.
type Options struct {
	// Epoch is the latest time that a file has in the archive, nil for no bound.
	// SOURCE_DATE_EPOCH.
	Epoch *time.Time

	whole bool // no layer, see WriteTrees
}

// Tree is a directory to archive, whose files' names begin with Prefix, which is
// empty or ends in a slash.
type Tree struct{ Prefix, Dir string }

// Result is what is known of an archive that was written.
type Result struct {
	// DiffID is the archive's digest, sha256:HEX, and Size its length.
	DiffID string
	Size   int64
}

// Write writes the layer in dir, which nobody changes meanwhile, as an archive.
func Write(ctx context.Context, w io.Writer, dir string, o Options) (Result, error) {
	return archive(ctx, []Tree{{Dir: dir}}, o, w, nil)
}

// WriteTrees writes whole root file systems as one archive. They are no layers:
// what marks removed files in these does not count.
func WriteTrees(ctx context.Context, w io.Writer, trees []Tree, o Options) (Result, error) {
	o.whole = true
	return archive(ctx, trees, o, w, nil)
}

// Digest gives the digest of the archive that Write writes. split, if not nil,
// gets tar-split's description of it, from which containers/storage makes the
// archive again.
func Digest(ctx context.Context, dir string, o Options, split io.Writer) (Result, error) {
	return archive(ctx, []Tree{{Dir: dir}}, o, nil, split)
}

func archive(ctx context.Context, trees []Tree, o Options, w, split io.Writer) (res Result, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	entries := make(chan *entry, ahead)
	go walk(ctx, trees, o, entries)
	defer func() {
		cancel()
		for e := range entries { // the walk ends, and with it what it has opened
			e.close()
		}
	}()
	out := newSink(w)
	defer out.end()
	s := &splitter{out: out}
	if split != nil {
		s.packer = storage.NewJSONPacker(split)
	}
	if err := writeEntries(ctx, entries, s); err != nil {
		return Result{}, fmt.Errorf("cannot archive the layer: %w", err)
	}
	size, sum, err := out.end()
	if err != nil {
		return Result{}, fmt.Errorf("cannot archive the layer: %w", err)
	}
	return Result{DiffID: "sha256:" + hex.EncodeToString(sum), Size: size}, nil
}

// sink hashes what is written to it in a goroutine of its own, and passes it on.
type sink struct {
	w      io.Writer // may be nil
	buf    []byte
	full   chan []byte
	free   chan []byte
	done   chan struct{}
	ended  bool
	size   int64
	sum    []byte
	failed error // of w; only after done is closed
	broken chan struct{}
}

// Buffers are large, so that the two goroutines seldom wait for each other.
const (
	bufferSize = 256 << 10
	buffers    = 4
)

func newSink(w io.Writer) *sink {
	s := &sink{w: w, full: make(chan []byte, buffers), free: make(chan []byte, buffers),
		done: make(chan struct{}), broken: make(chan struct{})}
	for range buffers {
		s.free <- make([]byte, 0, bufferSize)
	}
	s.buf = <-s.free
	go s.run()
	return s
}

func (s *sink) run() {
	defer close(s.done)
	hash := sha256.New()
	for b := range s.full {
		hash.Write(b)
		if s.w != nil && s.failed == nil {
			if _, s.failed = s.w.Write(b); s.failed != nil {
				close(s.broken)
			}
		}
		s.free <- b[:0]
	}
	s.sum = hash.Sum(nil)
}

var errBroken = errors.New("the output is broken")

// Write takes p over. It fails some time after the writer behind it did.
func (s *sink) Write(p []byte) (int, error) {
	n := len(p)
	s.size += int64(n)
	for len(p) > 0 {
		room := s.room()
		if room == nil {
			return 0, errBroken
		}
		m := copy(room, p)
		s.wrote(m)
		p = p[m:]
	}
	return n, nil
}

// room is where what comes next may be put; nil if the output is broken.
func (s *sink) room() []byte {
	if len(s.buf) == cap(s.buf) {
		s.full <- s.buf
		s.buf = <-s.free
		select {
		case <-s.broken:
			return nil
		default:
		}
	}
	return s.buf[len(s.buf):cap(s.buf)]
}

// wrote says that n bytes were put into room.
func (s *sink) wrote(n int) { s.buf = s.buf[:len(s.buf)+n] }

// end passes on what is left and gives the size and the digest.
func (s *sink) end() (int64, []byte, error) {
	if !s.ended {
		s.ended = true
		s.full <- s.buf
		close(s.full)
		<-s.done
	}
	return s.size, s.sum, s.failed
}
