package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/store"
	"skiff/state"
	"skiff/state/lock"
)

// Pull policies, see imagecall.Request.Policy. Docker, Podman: --pull.
const (
	pullAlways  = "always"
	pullMissing = "missing"
	pullNever   = "never"
	pullNewer   = "newer"
)

// Pull gets one image, as the user called it, into the store and gives what it
// is there. With Request.AllTags it gets all tags of the repository.
func (s *Session) Pull(ctx context.Context, ref string) ([]imagecall.Image, error) {
	policy := s.Req.Policy
	if policy == "" {
		policy = pullAlways
	}
	return s.pullAs(ctx, ref, policy)
}

func (s *Session) pullAs(ctx context.Context, ref, policy string) ([]imagecall.Image, error) {
	ref = strings.TrimPrefix(ref, "docker://")
	switch policy {
	case "ifnotpresent":
		policy = pullMissing
	case pullAlways, pullMissing, pullNever, pullNewer:
	default:
		return nil, fmt.Errorf("unsupported pull policy %q", policy)
	}
	if s.Req.AllTags {
		return s.pullAllTags(ctx, ref)
	}
	local, err := s.local(ref)
	if err != nil {
		return nil, err
	}
	if local != nil && (policy == pullMissing || policy == pullNever) {
		return []imagecall.Image{*local}, nil
	}
	if policy == pullNever {
		return nil, layer.Unknown(ref)
	}
	if pinned := s.listed(ref); pinned != "" && policy == pullMissing {
		ref = pinned
	}
	names, err := s.candidates(ref)
	if err != nil {
		return nil, err
	}
	img, err := s.first(ctx, ref, names, policy)
	if err != nil && policy == pullNewer && local != nil {
		return []imagecall.Image{*local}, nil // what is there is good enough, the registry is not
	}
	if err != nil {
		return nil, err
	}
	return []imagecall.Image{*img}, nil
}

// local finds the image in the store, if it is there for the asked platform.
func (s *Session) local(ref string) (*imagecall.Image, error) {
	rec, full, err := s.Store.Images().LookupImage(ref, s.Platform())
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !s.fits(rec) {
		return nil, nil
	}
	return &imagecall.Image{ID: rec.ID, Name: full, Digest: rec.Digest}, nil
}

// listed gives the name by which to pull the image that the list of this name has
// for the platform, where that is in a registry; "" if it is no such name.
func (s *Session) listed(ref string) string {
	_, _, err := s.Store.Images().LookupImage(ref, s.Platform())
	var none *layer.NoInstance
	if errors.As(err, &none) {
		return none.Pull
	}
	return ""
}

// fits reports whether an image is of the platform that was asked for.
func (s *Session) fits(rec *state.Image) bool {
	return (s.sys.OSChoice == "" || s.sys.OSChoice == rec.OS) &&
		(s.sys.ArchitectureChoice == "" || s.sys.ArchitectureChoice == rec.Architecture) &&
		(s.sys.VariantChoice == "" || s.sys.VariantChoice == rec.Variant)
}

// first pulls the first of the names that can be pulled.
func (s *Session) first(ctx context.Context, ref string, names []string, policy string) (*imagecall.Image, error) {
	if len(names) == 1 {
		img, err := s.pullLocked(ctx, names[0], policy)
		if err != nil {
			return nil, &Failed{"pull", names[0], err}
		}
		return img, nil
	}
	var tried []string
	var last error
	for _, name := range names {
		img, err := s.pullLocked(ctx, name, policy)
		if err == nil {
			return img, nil
		}
		_, why := Cause(err)
		tried, last = append(tried, name+": "+why), err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, &Failed{"pull", ref, fmt.Errorf("%s%w", strings.Join(tried, "; "), silent{last})}
}

// pullLocked pulls a full name while no other process does the same. Whoever
// waited finds the layers in the store and has little left to do.
func (s *Session) pullLocked(ctx context.Context, full, policy string) (*imagecall.Image, error) {
	sum := sha256.Sum256([]byte(full))
	path := filepath.Join(s.Store.Roots().ImagePulls(), hex.EncodeToString(sum[:16]))
	l, err := s.wait(ctx, full, path)
	if err != nil {
		return nil, err
	}
	defer l.Release()
	defer os.Remove(path)
	if policy == pullMissing {
		// The name may stand for what it did not before we waited.
		if local, err := s.local(full); local != nil || err != nil {
			return local, err
		}
	}
	return s.pull(ctx, full, policy)
}

// wait takes the lock of a pull. Unlike lock.Take it can be interrupted.
func (s *Session) wait(ctx context.Context, full, path string) (*lock.Lock, error) {
	for said := false; ; said = true {
		l, err := lock.Try(path)
		if !errors.Is(err, lock.ErrBusy) {
			return l, err
		}
		if !said {
			fmt.Fprintf(s.Report, "Waiting for another process that pulls %s...\n", full)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}

const lockPoll = 50 * time.Millisecond

func (s *Session) pull(ctx context.Context, full, policy string) (*imagecall.Image, error) {
	src, err := dockerRef(full)
	if err != nil {
		return nil, err
	}
	dst, err := s.Store.Reference(full)
	if err != nil {
		return nil, err
	}
	r, err := layer.ParseReference(full)
	if err != nil {
		return nil, err
	}
	sys := s.contextFor(ctx, r.Domain)
	if policy == pullNewer {
		if img := s.unchanged(ctx, sys, src, full); img != nil {
			return img, nil
		}
	}
	fmt.Fprintf(s.Report, "Trying to pull %s...\n", full)
	return s.Copy(ctx, full, src, dst, sys)
}

// unchanged gives the local image if the registry has the same under the name.
// Where signatures matter the image is not taken on trust a second time.
func (s *Session) unchanged(ctx context.Context, sys *types.SystemContext, src types.ImageReference, full string) *imagecall.Image {
	rec, _, err := s.Store.Images().Lookup(full)
	if err != nil || rec.Index != nil || !s.fits(rec) || !s.trusting {
		return nil
	}
	digest, err := docker.GetDigest(ctx, sys, src)
	if err != nil {
		return nil
	}
	for _, d := range rec.RepoDigests {
		if strings.HasSuffix(d, "@"+digest.String()) {
			return &imagecall.Image{ID: rec.ID, Name: full, Digest: rec.Digest}
		}
	}
	return nil
}

// here is for an image that the store has under layers of other ids, such as one
// that commit has made and that comes back from a registry: its configuration and
// so its layers are the same, and only the name and the registry's manifest are new.
func (s *Session) here(ctx context.Context, full string, src types.ImageReference, sys *types.SystemContext) (*imagecall.Image, error) {
	img, err := src.NewImage(ctx, sys)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	var blob []byte
	if s.trusting { // else it may not be the one that was looked at
		if blob, _, err = img.Manifest(ctx); err != nil {
			return nil, err
		}
	}
	rec, err := s.Store.Found(ctx, img.ConfigInfo().Digest.Encoded(), full, blob)
	if err != nil {
		return nil, err
	}
	return &imagecall.Image{ID: rec.ID, Name: full, Digest: rec.Digest}, nil
}

// Copy copies an image from anywhere into the store and writes its record.
//
// What fails for good leaves nothing. What may be tried again (the network, an
// interruption) leaves the layers that are complete: the next try finds them.
func (s *Session) Copy(ctx context.Context, full string, src, dst types.ImageReference, sys *types.SystemContext) (*imagecall.Image, error) {
	img, err := s.copy(ctx, full, src, dst, sys)
	if store.IsDuplicate(err) {
		img, err = s.here(ctx, full, src, sys)
		return img, errors.Join(err, s.Store.DropOrphans())
	}
	if err != nil && ctx.Err() == nil && !(retries{asked: true}).mayPass(err) {
		if derr := s.Store.DropOrphans(); derr != nil {
			err = errors.Join(err, derr)
		}
	}
	return img, err
}

func (s *Session) copy(ctx context.Context, full string, src, dst types.ImageReference, sys *types.SystemContext) (*imagecall.Image, error) {
	var resolved types.ImageReference
	options := &copy.Options{
		ReportWriter:            s.Report,
		SourceCtx:               sys,
		DestinationCtx:          s.Context(),
		RemoveSignatures:        s.Req.RemoveSignatures,
		ReportResolvedReference: &resolved,
	}
	release, err := s.Store.HoldLayers()
	if err != nil {
		return nil, err
	}
	defer release()
	before := s.Store.Known()
	err = s.retry(ctx, full, func() error {
		_, err := copy.Image(ctx, s.policy, dst, src, options)
		return err
	})
	if err != nil {
		return nil, err
	}
	if resolved == nil {
		resolved = dst
	}
	id, err := s.Store.ID(ctx, resolved)
	if err != nil {
		return nil, err
	}
	rec, err := s.Store.Added(ctx, id)
	if err != nil {
		return nil, err
	}
	return &imagecall.Image{ID: id, Name: full, Digest: rec.Digest, Changed: !before[id]}, nil
}
