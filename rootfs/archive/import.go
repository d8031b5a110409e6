package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/pkg/compression"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
)

// importConfig is the configuration of an image in the OCI's form with what
// Docker added to it. OCI image spec: config.md.
type importConfig struct {
	Created      time.Time `json:"created"`
	Architecture string    `json:"architecture"`
	Variant      string    `json:"variant,omitempty"`
	OS           string    `json:"os"`
	Config       Config    `json:"config"`
	RootFS       struct {
		Type    string          `json:"type"`
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
	History []imgspec.History `json:"history"`
}

// Import makes an image with one layer of a tar archive of a root file system:
// Request.Input is a file, a URL or standard input, Request.Images the name, if
// there is to be one.
func Import(ctx context.Context, s *registry.Session) (*imagecall.Image, error) {
	names, err := newNames(s.Req.Images)
	if err != nil {
		return nil, err
	}
	config, err := newConfig(s.Req)
	if err != nil {
		return nil, err
	}
	in, err := open(ctx, s.Req.Input)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	tree, err := newTree(interruptible{ctx, in})
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", describe(s.Req.Input), err)
	}
	defer tree.plain.Close()
	id, changed, err := s.Store.Create(ctx, store.NewImage{Tree: tree, Names: names, Config: config.complete})
	if err != nil {
		if tree.err != nil {
			err = tree.err
		}
		_, why := registry.Cause(err)
		if strings.HasSuffix(why, "unexpected EOF") {
			why = "the archive ends too early"
		}
		return nil, fmt.Errorf("cannot import %s: %s", describe(s.Req.Input), why)
	}
	return made(s, id, names, changed)
}

// tree is a tar archive, uncompressed, that is going to be a layer.
type tree struct {
	*bufio.Reader
	plain      io.ReadCloser
	compressed bool
	err        error // what went wrong with reading it
}

// newTree finds out that what is read at least begins as an archive.
func newTree(in io.Reader) (*tree, error) {
	plain, compressed, err := compression.AutoDecompress(in)
	if err != nil {
		return nil, damaged(err)
	}
	t := &tree{Reader: bufio.NewReader(plain), plain: plain, compressed: compressed}
	head, err := t.Peek(512)
	_, badTar := tar.NewReader(bytes.NewReader(head)).Next()
	switch {
	case err != nil && !errors.Is(err, io.EOF) && compressed:
		err = damaged(err)
	case err != nil && !errors.Is(err, io.EOF):
	case len(head) == 0:
		err = errors.New("it is empty")
	case len(head) < 512 || errors.Is(badTar, tar.ErrHeader):
		err = errors.New("it is not a tar archive")
	default:
		return t, nil
	}
	plain.Close()
	return nil, err
}

// Read notes the error, which the store passes on in a frame of its own.
func (t *tree) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && t.err == nil {
		if t.err = err; t.compressed {
			t.err = damaged(err)
		}
	}
	return n, err
}

// damaged is for an error of decompression, unless the work was given up.
func damaged(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return errors.New("the compressed data is damaged")
}

// newNames is the full name that the first word, if there is one, gives an
// image that is made here.
func newNames(given []string) ([]string, error) {
	if len(given) == 0 || given[0] == "" {
		return nil, nil
	}
	full, err := layer.NormalizeLocal(given[0])
	if err != nil {
		return nil, err
	}
	if strings.Contains(full, "@") {
		return nil, fmt.Errorf("invalid reference %q: an image cannot be given a digest", given[0])
	}
	return []string{full}, nil
}

// made is the answer about an image that was made here.
func made(s *registry.Session, id string, names []string, changed bool) (*imagecall.Image, error) {
	rec, err := s.Store.Images().Load(id)
	if err != nil {
		return nil, err
	}
	img := &imagecall.Image{ID: id, Digest: rec.Digest, Changed: changed}
	if len(names) > 0 {
		img.Name = names[0]
	}
	return img, nil
}

func newConfig(req *imagecall.Request) (*importConfig, error) {
	now := time.Now().UTC()
	c := &importConfig{Created: now, Architecture: runtime.GOARCH, OS: "linux"}
	if req.Platform != "" {
		parts := strings.Split(req.Platform, "/")
		if len(parts) < 2 || len(parts) > 3 {
			return nil, fmt.Errorf("invalid platform %q: use OS/ARCH or OS/ARCH/VARIANT", req.Platform)
		}
		c.OS, c.Architecture = parts[0], parts[1]
		if len(parts) == 3 {
			c.Variant = parts[2]
		}
	}
	if err := ApplyChanges(&c.Config, req.Changes); err != nil {
		return nil, err
	}
	comment := req.Message
	if comment == "" {
		comment = "imported from " + describePlain(req.Input)
	}
	c.History = []imgspec.History{{Created: &now, CreatedBy: "import", Comment: comment}}
	return c, nil
}

// complete gives the configuration's JSON for the layer that was unpacked.
func (c *importConfig) complete(_ []byte, diffID string) ([]byte, error) {
	d, err := digest.Parse(diffID)
	if err != nil {
		return nil, errors.New("the layer has no digest")
	}
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []digest.Digest{d}
	return json.Marshal(c)
}
