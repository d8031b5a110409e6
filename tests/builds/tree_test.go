package builds

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
	"time"
)

// tree is a file system as layers make it.
type tree struct {
	files map[string]*file
	// fresh are the paths of the layer that is being added, which its opaque
	// directories do not hide.
	fresh map[string]bool
}

// file is a path's inode: hard links share one.
type file struct {
	header tar.Header
	digest string
}

func newTree() *tree { return &tree{files: map[string]*file{}} }

func (t *tree) beginLayer() { t.fresh = map[string]bool{} }

// add takes one entry of a layer.
func (t *tree) add(h *tar.Header, content io.Reader) error {
	name := path.Clean("/" + h.Name)
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	switch {
	case name == "/":
		return nil
	case base == ".wh..wh..opq":
		t.remove(dir, false)
		return nil
	case strings.HasPrefix(base, ".wh."):
		t.remove(path.Join(dir, strings.TrimPrefix(base, ".wh.")), true)
		return nil
	}
	if old := t.files[name]; old != nil && (old.header.Typeflag != tar.TypeDir || h.Typeflag != tar.TypeDir) {
		t.remove(name, true)
	}
	t.fresh[name] = true
	if h.Typeflag == tar.TypeLink {
		to := t.files[path.Clean("/"+h.Linkname)]
		if to == nil {
			return fmt.Errorf("%s is a link to %s, which is not there", name, h.Linkname)
		}
		t.files[name] = to
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return err
	}
	t.files[name] = &file{header: *h, digest: hex.EncodeToString(sum.Sum(nil)[:8])}
	return nil
}

// remove takes away what lower layers have at and below a path.
func (t *tree) remove(name string, itself bool) {
	for p := range t.files {
		if (p == name && itself || strings.HasPrefix(p, strings.TrimSuffix(name, "/")+"/")) && !t.fresh[p] {
			delete(t.files, p)
		}
	}
}

// lines describes each path, and its time of modification. Hard links name the
// first of their group.
func (t *tree) lines(s snapshot, since time.Time) {
	names := make([]string, 0, len(t.files))
	for p := range t.files {
		names = append(names, p)
	}
	sort.Strings(names)
	first := map[*file]string{}
	for _, p := range names {
		f := t.files[p]
		p = strings.ReplaceAll(p, "\n", `\n`)
		text := f.text()
		if one, ok := first[f]; ok {
			text = "link of " + one
		} else {
			first[f] = p
		}
		s["file "+p] = text
		s["time "+p] = f.header.ModTime.UTC().Format(time.RFC3339)
		if f.header.ModTime.After(since) {
			s["time "+p] = "now"
		}
	}
}

// text is a file's type, mode, owner and content.
func (f *file) text() string {
	h := &f.header
	text := fmt.Sprintf("%04o %d:%d", h.Mode&0o7777, h.Uid, h.Gid)
	switch h.Typeflag {
	case tar.TypeReg, '\x00', tar.TypeGNUSparse:
		text = fmt.Sprintf("- %s %d %s", text, h.Size, f.digest)
	case tar.TypeDir:
		text = "d " + text
	case tar.TypeSymlink:
		text = fmt.Sprintf("l %d:%d -> %s", h.Uid, h.Gid, h.Linkname)
	case tar.TypeFifo:
		text = "p " + text
	case tar.TypeChar, tar.TypeBlock:
		text = fmt.Sprintf("%c %s %d,%d", "cb"[h.Typeflag-tar.TypeChar], text, h.Devmajor, h.Devminor)
	default:
		text = fmt.Sprintf("? %c %s", h.Typeflag, text)
	}
	var more []string
	for key, v := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			more = append(more, fmt.Sprintf("%s=%x", name, v))
		}
	}
	sort.Strings(more)
	return strings.Join(append([]string{text}, more...), " ")
}
