package archive

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/layer"
)

// containerdName is the annotation in which containerd and BuildKit keep the
// full name, while theirs of the OCI holds the tag only.
const containerdName = "io.containerd.image.name"

const maxIndex = 8 << 20 // bytes

// extractLayout unpacks the files of an OCI layout into dir, which is empty,
// and nothing else that the archive may hold.
func extractLayout(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("cannot open %q: %w", file, cause(err))
	}
	defer f.Close()
	t := tar.NewReader(f)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: the tar archive is damaged", errFormat)
		}
		name := path.Clean(h.Name)
		if !isLayoutFile(name) || h.Typeflag == tar.TypeDir {
			continue
		}
		if h.Typeflag != tar.TypeReg {
			return fmt.Errorf("the archive is not valid: %q is not a regular file", name)
		}
		if err := extractFile(t, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
}

func extractFile(r io.Reader, dest string) error {
	if err := os.MkdirAll(filepath.Dir(dest), 0o700); err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	out, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the archive is not valid: it has %q twice", filepath.Base(dest))
	}
	if err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	_, err = io.Copy(out, r)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	return nil
}

// isLayoutFile knows oci-layout, index.json and blobs/ALGORITHM/HEX.
// OCI image spec: image-layout.md.
func isLayoutFile(name string) bool {
	if name == imgspec.ImageLayoutFile || name == imgspec.ImageIndexFile {
		return true
	}
	parts := strings.Split(name, "/")
	if len(parts) != 3 || parts[0] != imgspec.ImageBlobsDir {
		return false
	}
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	return parts[1] != "" && strings.Trim(parts[1], alphabet) == "" &&
		parts[2] != "" && strings.Trim(parts[2], alphabet) == ""
}

// readIndex reads a layout's index.json.
func readIndex(dir string) (*imgspec.Index, error) {
	f, err := os.Open(filepath.Join(dir, imgspec.ImageIndexFile))
	if err != nil {
		return nil, fmt.Errorf("cannot read index.json: %w", cause(err))
	}
	defer f.Close()
	var index imgspec.Index
	if err := json.NewDecoder(io.LimitReader(f, maxIndex)).Decode(&index); err != nil {
		return nil, fmt.Errorf("index.json is not valid: %w", err)
	}
	return &index, nil
}

// layoutName is the full name that a layout gives an image; "" for none.
func layoutName(annotations map[string]string) string {
	for _, key := range []string{containerdName, imgspec.AnnotationRefName} {
		name := annotations[key]
		if name == "" || strings.Contains(name, "@") {
			continue
		}
		if full, err := layer.NormalizeLocal(name); err == nil {
			return full
		}
	}
	return ""
}

// isImage leaves out what newer builders put beside the images in an index.
func isImage(d imgspec.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] == "" && (d.Platform == nil || d.Platform.OS != "unknown")
}

// writeLayout writes a layout's files as a tar archive.
func writeLayout(w io.Writer, dir string) error {
	var files []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	sort.Strings(files)
	t := tar.NewWriter(w)
	for _, file := range files {
		if err := addFile(t, dir, file); err != nil {
			return err
		}
	}
	return t.Close()
}

func addFile(t *tar.Writer, dir, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, file)
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o644, Size: st.Size(), Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}
