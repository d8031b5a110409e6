package libpod

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"

	"skiff/rootfs/imagecall"
	"skiff/state"
	"skiff/state/event"
)

// Streams are the standard streams that an image operation may use: archives
// come from In and go to Out, progress goes to Err. Nil is /dev/null.
type Streams struct{ In, Out, Err *os.File }

// ImageCall has the image tool do one operation that concerns images, archives
// or registries: pull, push, tag, untag, load, save, import, search, login,
// logout. What could not be done is in the result's Failures; ToolErrors makes
// errors of them.
func (e *Engine) ImageCall(ctx context.Context, req imagecall.Request, s Streams) (imagecall.Result, error) {
	return e.imageTool(ctx, req, imageStdio{s.In, s.Out, s.Err})
}

// VendorDevices finds what the vendors of devices say that a container with them
// needs: an OCI runtime specification as JSON, and the host's nodes by their paths
// in the container. uid and gid own the nodes without an owner.
func (e *Engine) VendorDevices(ctx context.Context, dirs, names []string, uid, gid uint32) ([]byte, map[string]string, error) {
	req := imagecall.Request{Op: imagecall.OpDevices, Devices: names, DeviceDirs: dirs, UID: uid, GID: gid}
	res, err := e.imageTool(ctx, req, imageStdio{})
	if err == nil {
		err = failure(res)
	}
	return res.Spec, res.HostNodes, err
}

// ToolErrors are the failures of a result as errors, for which errors.Is finds
// state.ErrNotFound, state.ErrInUse and state.ErrInvalid.
func ToolErrors(res imagecall.Result) []error {
	errs := make([]error, 0, len(res.Failures))
	for _, f := range res.Failures {
		errs = append(errs, ToolFailure{f})
	}
	return errs
}

// ImageRemoveOptions say how images are removed.
type ImageRemoveOptions struct {
	All, Force, Ignore, NoPrune bool
	// SpareRunning keeps a forced removal from ending containers that run, as
	// with Docker. Podman removes them.
	SpareRunning bool
}

// ImageRemove removes names and images. With force the containers that are made
// from an image that goes away go first.
func (e *Engine) ImageRemove(ctx context.Context, refs []string, opt ImageRemoveOptions, s Streams) (imagecall.Result, error) {
	if err := e.hideImages(refs, opt); err != nil {
		return imagecall.Result{}, err
	}
	if opt.Force {
		if err := e.removeUsers(ctx, refs, opt); err != nil {
			return imagecall.Result{}, err
		}
	}
	return e.ImageCall(ctx, imagecall.Request{
		Op: imagecall.OpRemove, Images: refs, All: opt.All, Force: opt.Force, Ignore: opt.Ignore, NoPrune: opt.NoPrune,
	}, s)
}

// removeUsers removes the containers of the images that refs (or all) mean, as
// far as these lose their last name.
func (e *Engine) removeUsers(ctx context.Context, refs []string, opt ImageRemoveOptions) error {
	ending := e.ending(refs)
	containers, err := e.containers()
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range containers {
		if opt.All && e.shared(c.Config.Image.ID) || !opt.All && !ending[c.Config.Image.ID] || opt.SpareRunning && c.Status.Phase.Active() {
			continue
		}
		err := e.Remove(ctx, c.Config.ID, RemoveOptions{Force: true, Volumes: true})
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ending are the ids of the images that go away with the names refs.
func (e *Engine) ending(refs []string) map[string]bool {
	ids := map[string]bool{}
	for _, ref := range refs {
		img, full, err := e.Images.Lookup(ref)
		if err == nil && !img.ReadOnly && (full == img.ID || len(img.Names) <= 1 || allNamed(img, refs)) {
			ids[img.ID] = true
		}
	}
	return ids
}

// shared reports whether only a shared store has the image, which so stays.
func (e *Engine) shared(id string) bool {
	img, err := e.Images.Load(id)
	return err == nil && img.ReadOnly
}

// allNamed reports whether refs name the image by all of its names.
func allNamed(img *state.Image, refs []string) bool {
	return !slices.ContainsFunc(img.Names, func(name string) bool {
		return !slices.ContainsFunc(refs, func(ref string) bool { return sameImageName(name, ref) })
	})
}

// ImagePruneRemove removes copies of layers for user namespaces that no container
// needs, and the images that ImagePrune listed, one name at a
// time and without force: an image that got a container meanwhile stays. It
// gives the bytes that were freed.
func (e *Engine) ImagePruneRemove(ctx context.Context, images []Image) (imagecall.Result, int64, error) {
	var res imagecall.Result
	if len(images) == 0 {
		freed, err := e.pruneShifted(ctx)
		return res, freed, err
	}
	before, err := e.Images.List()
	if err != nil {
		return res, 0, err
	}
	var names []string
	for _, i := range images {
		names = append(names, removalNames(i.Image)...)
	}
	res, err = e.ImageCall(ctx, imagecall.Request{Op: imagecall.OpRemove, Images: names, Ignore: true}, Streams{})
	if err != nil {
		return res, 0, err
	}
	res.Failures = slices.DeleteFunc(res.Failures, func(f imagecall.Failure) bool {
		return f.Kind == imagecall.FailInUse || f.Kind == imagecall.FailNotFound
	})
	after, err := e.Images.List()
	if err != nil {
		return res, 0, err
	}
	copies, err := e.pruneShifted(ctx)
	if err != nil {
		return res, 0, err
	}
	freed := ReclaimedSpace(before, after) + copies
	e.notePruned(event.Image, strconv.FormatInt(freed, 10))
	return res, freed, nil
}
