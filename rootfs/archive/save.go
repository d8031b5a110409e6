package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"
	"golang.org/x/term"

	"skiff/rootfs/registry"
	"skiff/state"
)

// saved is an image to save with the names it was asked for by; none if it was
// by its id.
type saved struct {
	id    string
	names []string
}

// Save writes images (Request.Images) to Request.Output in Request.Format. A
// file appears when it is complete, or not at all.
func Save(ctx context.Context, s *registry.Session) error {
	images, err := toSave(s)
	if err != nil {
		return err
	}
	format := s.Req.Format
	if format == "" {
		format = DockerArchive
	}
	output := s.Req.Output
	toStdout := output == "" || output == "-"
	if toStdout && (format == OCIDir || format == DockerDir) {
		return fmt.Errorf("cannot save as %s to standard output: name a directory with --output", format)
	}
	if toStdout && term.IsTerminal(1) {
		return errors.New("refusing to save to terminal: use --output or a redirection")
	}
	switch format {
	case DockerArchive:
		err = ToFile(output, func(path string) error { return saveDocker(ctx, s, images, path) })
	case OCIArchive:
		err = ToFile(output, func(path string) error { return saveOCI(ctx, s, images, path) })
	case OCIDir:
		err = saveLayout(ctx, s, images, output)
	case DockerDir:
		err = saveDir(ctx, s, images, output)
	default:
		return fmt.Errorf("unknown format %q: use docker-archive, oci-archive, oci-dir or docker-dir", format)
	}
	if err != nil {
		return &registry.Failed{Verb: "save", Image: s.Req.Images[0], Err: err}
	}
	return nil
}

func toSave(s *registry.Session) ([]*saved, error) {
	if len(s.Req.Images) == 0 {
		return nil, errors.New("cannot save: name an image")
	}
	var images []*saved
	byID := map[string]*saved{}
	for _, ref := range s.Req.Images {
		rec, full, err := s.Store.Images().LookupImage(ref, s.Platform())
		if err != nil {
			return nil, err
		}
		img := byID[rec.ID]
		if img == nil {
			img = &saved{id: rec.ID}
			byID[rec.ID] = img
			images = append(images, img)
		}
		if !state.IsID(full) && !strings.Contains(full, "@") {
			img.names = append(img.names, full)
		}
	}
	return images, nil
}

// ToFile has a file written beside its place and moves it there. What is not a
// regular file (a pipe, a device) is written to directly.
func ToFile(output string, write func(path string) error) error {
	if output == "" || output == "-" {
		return write("/proc/self/fd/1")
	}
	if st, err := os.Stat(output); err == nil && !st.Mode().IsRegular() {
		return write(output)
	}
	tmp := output + ".part" + strconv.Itoa(os.Getpid())
	if err := write(tmp); err != nil {
		os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, output); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

func saveDocker(ctx context.Context, s *registry.Session, images []*saved, path string) (err error) {
	w, err := dockerarchive.NewWriter(s.Context(), path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := w.Close(); err == nil {
			err = cerr
		}
	}()
	for _, img := range images {
		sys := s.Context()
		var first reference.NamedTagged
		for i, name := range img.names {
			tagged, err := namedTagged(name)
			if err != nil {
				return err
			}
			if i == 0 {
				first = tagged
			} else {
				sys.DockerArchiveAdditionalTags = append(sys.DockerArchiveAdditionalTags, tagged)
			}
		}
		dst, err := w.NewReference(first)
		if err != nil {
			return err
		}
		if err := out(ctx, s, img.id, dst, sys); err != nil {
			return err
		}
	}
	return nil
}

func namedTagged(name string) (reference.NamedTagged, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, err
	}
	tagged, ok := named.(reference.NamedTagged)
	if !ok {
		return nil, fmt.Errorf("%q has no tag", name)
	}
	return tagged, nil
}

func saveOCI(ctx context.Context, s *registry.Session, images []*saved, path string) error {
	dir, err := os.MkdirTemp(s.Store.SpoolDir(), "save-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := saveLayout(ctx, s, images, dir); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err := writeLayout(interruptibleWriter{ctx, f}, dir); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func saveLayout(ctx context.Context, s *registry.Session, images []*saved, dir string) error {
	sys := s.Context()
	sys.OCIAcceptUncompressedLayers = s.Req.CompressionFormat == registry.Uncompressed
	for _, img := range images {
		names := img.names
		if len(names) == 0 {
			names = []string{""}
		}
		for _, name := range names {
			dst, err := layout.NewReference(dir, name)
			if err != nil {
				return err
			}
			if err := out(ctx, s, img.id, dst, sys); err != nil {
				return err
			}
		}
	}
	return nil
}

func saveDir(ctx context.Context, s *registry.Session, images []*saved, dir string) error {
	if len(images) > 1 {
		return errors.New("a docker-dir holds one image")
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	dst, err := directory.NewReference(dir)
	if err != nil {
		return err
	}
	return out(ctx, s, images[0].id, dst, s.Context())
}

// out copies an image of the store to somewhere else.
func out(ctx context.Context, s *registry.Session, id string, dst types.ImageReference, sys *types.SystemContext) error {
	src, err := s.Store.ReferenceByID(id)
	if err != nil {
		return err
	}
	_, err = copy.Image(ctx, s.Out(), dst, src, &copy.Options{
		ReportWriter: s.Report, SourceCtx: s.Context(), DestinationCtx: sys, RemoveSignatures: true,
	})
	return err
}

type interruptibleWriter struct {
	ctx context.Context
	w   io.Writer
}

func (i interruptibleWriter) Write(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.w.Write(p)
}
