package builds

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// snapshot is an image as lines that can be compared: by aspect and name, such as
// "file /etc/passwd" or "config Cmd".
type snapshot map[string]string

// image is what an image's archive holds, as far as it is compared.
type image struct {
	tree   *tree
	config map[string]any
	layers int
}

// readImage reads an OCI layout, as a directory or an archive, or docker save's
// archive, which was unpacked into dir.
func readImage(dir string) (*image, error) {
	config, layers, err := ociLayers(dir)
	if os.IsNotExist(err) {
		config, layers, err = dockerLayers(dir)
	}
	if err != nil {
		return nil, err
	}
	img := &image{tree: newTree(), layers: len(layers)}
	data, err := os.ReadFile(filepath.Join(dir, config))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &img.config); err != nil {
		return nil, err
	}
	for _, l := range layers {
		if err := applyLayer(img.tree, filepath.Join(dir, l)); err != nil {
			return nil, fmt.Errorf("layer %s: %w", l, err)
		}
	}
	return img, nil
}

func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

func ociLayers(dir string) (config string, layers []string, err error) {
	var index struct{ Manifests []struct{ Digest string } }
	if err := readJSON(filepath.Join(dir, "index.json"), &index); err != nil {
		return "", nil, err
	}
	for range 3 { // an index may hold one index
		if len(index.Manifests) == 0 {
			return "", nil, fmt.Errorf("%s: no manifest", dir)
		}
		var m struct {
			Config    struct{ Digest string }
			Layers    []struct{ Digest string }
			Manifests []struct{ Digest string }
		}
		if err := readJSON(filepath.Join(dir, blob(index.Manifests[0].Digest)), &m); err != nil {
			return "", nil, err
		}
		if m.Manifests != nil {
			index.Manifests = m.Manifests
			continue
		}
		for _, l := range m.Layers {
			layers = append(layers, blob(l.Digest))
		}
		return blob(m.Config.Digest), layers, nil
	}
	return "", nil, fmt.Errorf("%s: indexes of indexes", dir)
}

func blob(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

func dockerLayers(dir string) (config string, layers []string, err error) {
	var list []struct {
		Config string
		Layers []string
	}
	if err := readJSON(filepath.Join(dir, "manifest.json"), &list); err != nil {
		return "", nil, err
	}
	if len(list) != 1 {
		return "", nil, fmt.Errorf("%s: %d images", dir, len(list))
	}
	return list[0].Config, list[0].Layers, nil
}

// applyLayer adds a layer's archive to a tree.
func applyLayer(into *tree, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var r io.Reader = f
	switch {
	case n >= 2 && bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		if r, err = gzip.NewReader(f); err != nil {
			return err
		}
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(f)
		if err != nil {
			return err
		}
		defer z.Close()
		r = z
	}
	into.beginLayer()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := into.add(h, tr); err != nil {
			return err
		}
	}
}

// lines makes the image comparable. Times from since on are "now".
func (img *image) lines(since time.Time) snapshot {
	s := snapshot{}
	img.tree.lines(s, since)
	s["layers "] = fmt.Sprint(img.layers)
	for _, key := range []string{"architecture", "os", "variant", "author"} {
		if v, ok := img.config[key].(string); ok && v != "" {
			s["config ."+key] = v
		}
	}
	config, _ := img.config["config"].(map[string]any)
	for key, v := range config {
		if m, ok := v.(map[string]any); ok && key == "Labels" {
			for name, text := range m {
				s["config Labels."+name] = fmt.Sprintf("%q", text)
			}
			continue
		}
		if !empty(v) {
			s["config "+key] = encode(v)
		}
	}
	history, _ := img.config["history"].([]any)
	for i, h := range history {
		m, _ := h.(map[string]any)
		delete(m, "created")
		s[fmt.Sprintf("history %02d", i)] = encode(m)
	}
	return s
}

func encode(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

// empty says that a field is as if it were not there.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
