package volume

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
)

// A backup is a tar archive with a seal behind it: one block of tar's with the
// checksum of all bytes before it. Programs that read tar stop at the archive's end.
// The checksum is SHA-256 of the CRC-32C, as 4 bytes with the highest first, of each
// sumChunk bytes: that is as quick as a copy, which SHA-256 of all of it is not.
const (
	sealSize  = 512
	sealWords = "skiff volume backup 1 crc32c/sha256:"
	sumChunk  = 1 << 20
)

// ioChunk is how much is written at a time; a part of sumChunk.
const ioChunk = 128 << 10

// checksum sums a backup.
type checksum struct {
	table *crc32.Table
	crc   uint32
	n     int // bytes in crc
	sum   hash.Hash
}

func newChecksum() *checksum {
	return &checksum{table: crc32.MakeTable(crc32.Castagnoli), sum: sha256.New()}
}

func (c *checksum) add(p []byte) {
	for len(p) > 0 {
		n := min(len(p), sumChunk-c.n)
		c.crc = crc32.Update(c.crc, c.table, p[:n])
		if c.n += n; c.n == sumChunk {
			c.next()
		}
		p = p[n:]
	}
}

func (c *checksum) next() {
	c.sum.Write(binary.BigEndian.AppendUint32(nil, c.crc))
	c.crc, c.n = 0, 0
}

// text ends the sum.
func (c *checksum) text() string {
	if c.n > 0 {
		c.next()
	}
	return hex.EncodeToString(c.sum.Sum(nil))
}

// ErrNoBackup: what is to be restored is not a whole backup.
var ErrNoBackup = errors.New("it is no backup of a volume, or its end is missing")

// ErrDamaged: a backup's checksum is wrong.
var ErrDamaged = errors.New("the backup is damaged: its checksum is not that of its content")

// sealer writes to w and sums what it writes.
type sealer struct {
	w   io.Writer
	sum *checksum
	buf []byte
}

func newSealer(w io.Writer) *sealer {
	return &sealer{w: w, sum: newChecksum(), buf: make([]byte, 0, ioChunk)}
}

// Write keeps p until there is a chunk of it.
func (s *sealer) Write(p []byte) (int, error) {
	all := len(p)
	for len(p) > 0 {
		n := min(len(p), cap(s.buf)-len(s.buf))
		s.buf = append(s.buf, p[:n]...)
		p = p[n:]
		if len(s.buf) == cap(s.buf) {
			if err := s.flush(); err != nil {
				return 0, err
			}
		}
	}
	return all, nil
}

func (s *sealer) flush() error {
	s.sum.add(s.buf)
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// seal writes the rest and the checksum.
func (s *sealer) seal() error {
	if err := s.flush(); err != nil {
		return err
	}
	block := make([]byte, sealSize)
	copy(block, sealWords+s.sum.text()+"\n")
	_, err := s.w.Write(block)
	return err
}

// opener reads what a sealer wrote, without the seal.
type opener struct {
	r    io.Reader
	sum  *checksum
	buf  []byte // read ahead; its last sealSize bytes may be the seal
	at   int
	done bool
}

func newOpener(r io.Reader) *opener {
	return &opener{r: r, sum: newChecksum(), buf: make([]byte, 0, ioChunk+sealSize)}
}

// Read gives everything but the last block.
func (o *opener) Read(p []byte) (int, error) {
	for len(o.buf)-o.at <= sealSize {
		if o.done {
			return 0, io.EOF
		}
		if err := o.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.buf[o.at:len(o.buf)-sealSize])
	o.sum.add(o.buf[o.at : o.at+n])
	o.at += n
	return n, nil
}

func (o *opener) more() error {
	kept := copy(o.buf[:cap(o.buf)], o.buf[o.at:])
	n, err := o.r.Read(o.buf[kept:cap(o.buf)])
	o.buf, o.at = o.buf[:kept+n], 0
	if errors.Is(err, io.EOF) {
		o.done, err = true, nil
	}
	return err
}

// verify says whether the seal is there and right; everything has been read.
func (o *opener) verify() error {
	block := o.buf[o.at:]
	text, _, _ := bytes.Cut(block, []byte("\n"))
	want, ok := strings.CutPrefix(string(text), sealWords)
	if !o.done || len(block) != sealSize || !ok {
		return ErrNoBackup
	}
	if got := o.sum.text(); got != want {
		return fmt.Errorf("%w (%.12s, not %.12s)", ErrDamaged, got, want)
	}
	return nil
}
