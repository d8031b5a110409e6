package layertar

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"

	"github.com/vbatts/tar-split/tar/storage"
)

// splitter is what the archive is written to. It tells headers and padding from
// content, as tar-split does with an archive that it reads.
type splitter struct {
	out     *sink
	packer  storage.Packer // may be nil
	segment []byte         // headers and padding since the last content
	crc     hash.Hash64
	content bool
}

func (s *splitter) Write(p []byte) (int, error) {
	if s.packer != nil {
		if s.content {
			s.crc.Write(p)
		} else {
			s.segment = append(s.segment, p...)
		}
	}
	return s.out.Write(p)
}

// begin says that the content of a file follows.
func (s *splitter) begin() error {
	s.content = true
	if s.packer == nil {
		return nil
	}
	if s.crc == nil {
		s.crc = crc64.New(storage.CRCTable)
	}
	s.crc.Reset()
	return s.flush()
}

// end says that it is complete.
func (s *splitter) end(name string, size int64) error {
	s.content = false
	if s.packer == nil {
		return nil
	}
	e := storage.Entry{Type: storage.FileType, Size: size}
	if size > 0 {
		e.Payload = s.crc.Sum(nil)
	}
	e.SetName(name)
	_, err := s.packer.AddEntry(e)
	return err
}

func (s *splitter) flush() error {
	if s.packer == nil || len(s.segment) == 0 {
		return nil
	}
	_, err := s.packer.AddEntry(storage.Entry{Type: storage.SegmentType, Payload: s.segment})
	s.segment = s.segment[:0]
	return err
}

// writeEntries writes the whole archive.
func writeEntries(ctx context.Context, entries <-chan *entry, s *splitter) error {
	tw := tar.NewWriter(s)
	for e := range entries {
		err := e.err
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = writeEntry(tw, e, s)
		}
		e.close()
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return s.flush()
}

func writeEntry(tw *tar.Writer, e *entry, s *splitter) error {
	if err := tw.WriteHeader(e.header); err != nil {
		return fmt.Errorf("%q: %w", e.header.Name, err)
	}
	if err := s.begin(); err != nil {
		return err
	}
	var err error
	switch {
	case e.file != nil:
		err = writeFile(tw, e)
	case len(e.content) > 0:
		_, err = tw.Write(e.content)
	}
	if err != nil {
		return err
	}
	size := int64(0)
	if e.header.Typeflag == tar.TypeReg {
		size = e.header.Size
	}
	return s.end(e.header.Name, size)
}

// writeFile writes exactly as much as the header says. io.CopyN would let the
// archive's writer choose the buffer, which is small.
func writeFile(tw *tar.Writer, e *entry) error {
	buf := make([]byte, min(e.header.Size, bufferSize))
	for left := e.header.Size; left > 0; {
		n, err := e.file.Read(buf[:min(left, int64(len(buf)))])
		if n > 0 {
			if _, err := tw.Write(buf[:n]); err != nil {
				return err
			}
			left -= int64(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%q changed while it was read", e.header.Name)
		case err != nil:
			return fmt.Errorf("%q: %w", e.header.Name, err)
		}
		if left == 0 {
			break
		}
	}
	return nil
}
