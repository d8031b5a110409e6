package store

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.podman.io/storage"

	"skiff/state"
)

// Refused says that an image has a layer that tries to reach outside of itself.
type Refused struct{ Layer, Problem string }

func (e *Refused) Error() string {
	return fmt.Sprintf("layer %s is refused: %s", e.Layer, e.Problem)
}

// vet looks through the layers of an image that no record has vouched for yet.
// Whatever such a layer names was unpacked inside a chroot and is harmless; but
// who makes such an archive means harm, and the image is not taken.
//
// It reads the archive headers that the store keeps (tar-split), not the files.
func (s *Store) vet(img *storage.Image, known map[string]bool) error {
	for id := img.TopLayer; id != ""; {
		l, err := s.s.Layer(id)
		if err != nil {
			return err
		}
		if !known[id] && !l.ReadOnly {
			if err := s.vetLayer(l); err != nil {
				return err
			}
		}
		id = l.Parent
	}
	return nil
}

// vouched gives the layers of the images that have a record.
func vouched(records []*state.Image) map[string]bool {
	known := map[string]bool{}
	for _, rec := range records {
		for _, dir := range rec.Layers {
			known[filepath.Base(filepath.Dir(dir))] = true
		}
	}
	return known
}

func (s *Store) vetLayer(l *storage.Layer) error {
	f, err := os.Open(filepath.Join(s.roots.Storage(), s.s.GraphDriverName()+"-layers", l.ID+".tar-split.gz"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("layer %s: cannot read its headers: %w", l.ID, err)
	}
	in := bufio.NewReaderSize(z, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if problem := vetEntry(line); problem != "" {
			return &Refused{Layer: l.ID, Problem: problem}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("layer %s: cannot read its headers: %w", l.ID, err)
		}
	}
}

// vetEntry checks one line of a tar-split file. A line of type 2 holds the
// bytes between two files' contents: the padding after one and the headers of
// the next, the last of which ends the line.
func vetEntry(line []byte) string {
	if !bytes.HasPrefix(line, []byte(`{"type":2`)) {
		return ""
	}
	var entry struct {
		Payload []byte `json:"payload"`
	}
	if json.Unmarshal(line, &entry) != nil {
		return ""
	}
	const block = 512
	headers := entry.Payload[len(entry.Payload)%block:]
	// Most headers have nothing in them that could be wrong, and are not parsed.
	if !bytes.Contains(headers, []byte("..")) && !bytes.Contains(headers, []byte(".wh.\x00")) {
		return ""
	}
	h, err := tar.NewReader(bytes.NewReader(headers)).Next()
	if err != nil {
		return "" // the end of the archive
	}
	return vetHeader(h)
}

const whiteout = ".wh."

func vetHeader(h *tar.Header) string {
	if escapes(h.Name) {
		return fmt.Sprintf("it has a file %q, which is outside of the layer", h.Name)
	}
	if h.Typeflag == tar.TypeLink && escapes(h.Linkname) {
		return fmt.Sprintf("it has a hard link to %q, which is outside of the layer", h.Linkname)
	}
	if target, ok := strings.CutPrefix(path.Base(h.Name), whiteout); ok && (target == "" || target == "." || target == "..") {
		return fmt.Sprintf("it has a whiteout %q, which removes what is outside of its directory", h.Name)
	}
	return ""
}

// escapes reports whether a path leads, by its words alone, out of the
// directory that it is relative to.
func escapes(name string) bool {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	return clean == ".." || strings.HasPrefix(clean, "../")
}
