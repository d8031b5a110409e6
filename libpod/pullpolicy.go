package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/welcome"
	"skiff/state"
)

// Pull policies. Docker: --pull; newer is Podman's.
const (
	pullAlways  = "always"
	pullMissing = "missing"
	pullNever   = "never"
	pullNewer   = "newer"
)

// imageFor finds the image of a container to be made, pulling it as the
// policy says. full is the name it was found by.
func (e *Engine) imageFor(ctx context.Context, req CreateRequest) (img *state.Image, full string, err error) {
	if req.Image == "" {
		return nil, "", nil
	}
	if req.Pull == "" || req.Pull == pullMissing || req.Pull == pullNever {
		img, full, err = e.Images.Lookup(req.Image)
		if err == nil && fits(img, req.Platform) {
			return img, full, nil
		}
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return nil, "", err
		}
		if isWelcome(req.Image) {
			img, err = e.unpackWelcome(ctx)
			return img, welcome.Name, err
		}
		if req.Pull == pullNever {
			return nil, "", fmt.Errorf("%s: image not known: no such image here and the pull policy is never: %w", req.Image, state.ErrNotFound)
		}
	}
	policy := req.Pull
	if policy == "" || policy == pullMissing {
		policy = pullAlways // it was looked for here, and is not there for this platform
	}
	stdio := imageStdio{err: os.Stderr}
	res, err := e.imageTool(ctx, imagecall.Request{
		Op:         imagecall.OpPull,
		Images:     []string{req.Image},
		Policy:     policy,
		Platform:   req.Platform,
		Quiet:      req.Quiet,
		AuthFile:   req.Authfile,
		CertDir:    req.CertDir,
		TLSVerify:  req.TLSVerify,
		Retry:      req.Retry,
		RetryDelay: req.RetryDelay,
	}, stdio)
	if err == nil {
		err = failure(res)
	}
	if err != nil {
		return nil, "", err
	}
	if len(res.Images) == 0 {
		return nil, "", fmt.Errorf("cannot pull %q: the image tool named no image", req.Image)
	}
	img, err = e.Images.Load(res.Images[0].ID)
	return img, res.Images[0].Name, err
}

// fits reports whether an image is for a platform, given as os/arch[/variant].
func fits(img *state.Image, platform string) bool {
	if platform == "" {
		return true
	}
	have := img.OS + "/" + img.Architecture
	return platform == have || platform == have+"/"+img.Variant || platform == img.Architecture
}
