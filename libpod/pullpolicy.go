package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
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
	archive := layer.InFile(req.Image)
	if archive && (req.Pull == "" || req.Pull == pullNever) {
		req.Pull = pullMissing // nobody needs to be asked for a file
	}
	if req.Pull == "" || req.Pull == pullMissing || req.Pull == pullNever {
		var platform layer.Platform
		if platform, err = layer.ParsePlatform(req.Platform); err != nil {
			return nil, "", err
		}
		img, full, err = e.Images.LookupImage(req.Image, platform)
		if archive && errors.Is(err, state.ErrInvalid) {
			err = layer.Unknown(req.Image) // a path is no name
		}
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
		var none *layer.NoInstance
		if errors.As(err, &none) {
			if req.Pull == pullNever || none.Pull == "" {
				return nil, "", err
			}
			req.Image = none.Pull // the list says where it is
		}
		if req.Pull == pullNever {
			return nil, "", layer.Unknown(req.Image)
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
		Username:   req.Username,
		Password:   req.Password,
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
	if err == nil && !fits(img, req.Platform) {
		// A registry gives an image that is for one platform to whoever asks.
		err = fmt.Errorf("cannot use image %q: it is for the platform %s/%s, not for %q", req.Image, img.OS, img.Architecture, req.Platform)
	}
	return img, res.Images[0].Name, err
}

// fits reports whether an image is for a platform, given as os/arch[/variant].
func fits(img *state.Image, platform string) bool {
	if platform == "" {
		return true
	}
	parts := strings.SplitN(platform, "/", 3)
	if len(parts) == 1 {
		parts = []string{"linux", parts[0]}
	}
	arch, variant := parts[1], img.Variant
	if len(parts) == 3 && variant != "" {
		variant = parts[2] // one that names no variant is as good as any
	}
	switch arch { // as uname has it
	case "x86_64", "x86-64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	case "armhf", "armel":
		arch = "arm"
	case "i386", "i686", "x86":
		arch = "386"
	}
	return parts[0] == img.OS && arch == img.Architecture && variant == img.Variant
}
