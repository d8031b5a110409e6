package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/state"
)

// Sign writes a simple signature of an image's manifest by the key
// Request.SignBy, where a pull that has to verify it looks: below
// Request.SignDir, or where registries.d says (containers-registries.d(5)).
// With Request.All each image of an index is signed instead of the index.
func (s *Session) Sign(ctx context.Context, ref string) (*imagecall.Image, error) {
	img, err := s.sign(ctx, ref)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		err = &Failed{"sign", ref, err}
	}
	return img, err
}

func (s *Session) sign(ctx context.Context, ref string) (*imagecall.Image, error) {
	src, named, id, err := s.signed(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	place, err := s.signatures(named)
	if err != nil {
		return nil, err
	}
	top, mime, err := src.GetManifest(ctx, nil)
	if err != nil {
		return nil, err
	}
	whole, err := manifest.Digest(top)
	if err != nil {
		return nil, err
	}
	blobs := map[digest.Digest][]byte{whole: top}
	if s.Req.All {
		if blobs, err = instances(ctx, src, top, mime); err != nil {
			return nil, err
		}
	}
	mech, err := newGPG(ctx)
	if err != nil {
		return nil, err
	}
	defer mech.Close()
	signed := map[digest.Digest][]byte{}
	for d, blob := range blobs {
		if signed[d], err = signature.SignDockerManifest(blob, named.String(), mech, s.Req.SignBy); err != nil {
			return nil, err
		}
	}
	for d, sig := range signed {
		if err := putSignature(fmt.Sprintf("%s@%s=%s", place, d.Algorithm(), d.Encoded()), sig); err != nil {
			return nil, err
		}
	}
	return &imagecall.Image{ID: id, Name: named.String(), Digest: whole.String()}, nil
}

// signed opens what is to be signed, and gives the name that the signature is
// to vouch for.
func (s *Session) signed(ctx context.Context, ref string) (types.ImageSource, reference.Named, string, error) {
	if full, remote := strings.CutPrefix(ref, "docker://"); remote {
		full, err := layer.Normalize(full)
		if err != nil {
			return nil, nil, "", err
		}
		at, err := dockerRef(full)
		if err != nil {
			return nil, nil, "", err
		}
		src, err := at.NewImageSource(ctx, s.contextFor(ctx, reference.Domain(at.DockerReference())))
		return src, at.DockerReference(), "", err
	}
	rec, full, err := s.Store.Images().Lookup(strings.TrimPrefix(ref, "containers-storage:"))
	if err != nil {
		return nil, nil, "", err
	}
	if full == rec.ID {
		if len(rec.Names) != 1 {
			return nil, nil, "", fmt.Errorf("it has %d names: say by which one it is to be known", len(rec.Names))
		}
		full = rec.Names[0]
	}
	named, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return nil, nil, "", err
	}
	at, err := s.Store.ReferenceByID(rec.ID)
	if err != nil {
		return nil, nil, "", err
	}
	src, err := at.NewImageSource(ctx, s.Context())
	return src, named, rec.ID, err
}

// instances are the manifests of an index.
func instances(ctx context.Context, src types.ImageSource, top []byte, mime string) (map[digest.Digest][]byte, error) {
	if mime = manifest.NormalizedMIMEType(mime); !manifest.MIMETypeIsMultiImage(mime) {
		return nil, errors.New("it is one image and not an index of several: leave --all out")
	}
	list, err := manifest.ListFromBlob(top, mime)
	if err != nil {
		return nil, err
	}
	blobs := map[digest.Digest][]byte{}
	for _, d := range list.Instances() {
		blob, _, err := src.GetManifest(ctx, &d)
		if err != nil {
			return nil, err
		}
		if ok, err := manifest.MatchesDigest(blob, d); err != nil || !ok {
			return nil, fmt.Errorf("the manifest %s is not what its digest says", d)
		}
		blobs[d] = blob
	}
	return blobs, nil
}

// signatures is where the signatures of a repository go; "@" and the manifest's
// digest are to follow.
func (s *Session) signatures(named reference.Named) (string, error) {
	if s.Req.SignDir != "" {
		return filepath.Join(s.Req.SignDir, reference.Path(named)), nil
	}
	at, err := dockerRef(named.String())
	if err != nil {
		return "", err
	}
	base, err := docker.SignatureStorageBaseURL(s.Context(), at, true)
	if err != nil {
		return "", err
	}
	if (*url.URL)(base).Scheme != "file" {
		return "", fmt.Errorf("its signatures are at %s, which cannot be written to: use --directory", base.Redacted())
	}
	return base.Path, nil
}

// mostSignatures is how many signatures of one manifest there may be.
const mostSignatures = 1000

// putSignature adds a signature to those of a manifest: signature-1,
// signature-2 and so on. It appears whole or not at all.
func putSignature(dir string, sig []byte) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot write the signature: %w", err)
	}
	tmp, err := os.CreateTemp(dir, ".signature-")
	if err != nil {
		return fmt.Errorf("cannot write the signature: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(sig)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("cannot write the signature: %w", err)
	}
	for i := 1; i <= mostSignatures; i++ {
		err = os.Link(tmp.Name(), filepath.Join(dir, "signature-"+strconv.Itoa(i)))
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("cannot write the signature: %w", err)
	}
	return nil
}
