package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"skiff/rootfs/archive"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/index"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/rootfs/vendordevice"
	"skiff/state"
)

// work is one request while it is being done.
type work struct {
	req     *imagecall.Request
	res     *imagecall.Result
	store   *store.Store
	session *registry.Session
}

// do carries the request out. What fails is in the result.
func do(ctx context.Context, req *imagecall.Request) *imagecall.Result {
	w := &work{req: req, res: &imagecall.Result{}}
	if err := w.run(ctx); err != nil {
		w.fail("", err)
	}
	return w.res
}

func (w *work) run(ctx context.Context) error {
	if w.req.Op == imagecall.OpBuild {
		return w.build(ctx)
	}
	operation, ok := operations()[w.req.Op]
	if !ok {
		return fmt.Errorf("operation %q is not known to this image tool", w.req.Op)
	}
	if w.req.Op == imagecall.OpDevices { // which is not about images
		return operation(ctx, w)
	}
	var err error
	if needsStore(w.req.Op) {
		if err := w.openStore(ctx); err != nil {
			return err
		}
		defer w.store.Close()
	}
	if w.session, err = registry.NewSession(w.req, w.store, os.Stderr); err != nil {
		return err
	}
	defer w.session.Close()
	return operation(ctx, w)
}

// openStore opens the store and makes the records agree with it.
func (w *work) openStore(ctx context.Context) error {
	s, err := store.Open(store.Options{
		Roots: w.req.Roots, Driver: w.req.StorageDriver, DriverOptions: w.req.StorageOptions,
		ImageStores: w.req.ImageStores,
	})
	if err != nil {
		return err
	}
	if err := s.Sync(ctx); err != nil {
		s.Close()
		return err
	}
	w.store = s
	return nil
}

// syncStore has little to do: records and store were made to agree when the
// store was opened.
func syncStore(_ context.Context, w *work) error {
	if w.req.All {
		return w.store.DropOrphans()
	}
	return nil
}

func needsStore(op string) bool {
	return op != imagecall.OpSearch && op != imagecall.OpLogin && op != imagecall.OpLogout
}

func operations() map[string]func(context.Context, *work) error {
	return map[string]func(context.Context, *work) error{
		imagecall.OpPull:   pull,
		imagecall.OpPush:   push,
		imagecall.OpTag:    tag,
		imagecall.OpUntag:  untag,
		imagecall.OpRemove: remove,
		imagecall.OpLoad:   load,
		imagecall.OpUnpack: load,
		imagecall.OpSave:   func(ctx context.Context, w *work) error { return archive.Save(ctx, w.session) },
		imagecall.OpImport: importTree,
		imagecall.OpCommit: commit,
		imagecall.OpSearch: search,
		imagecall.OpLogin:  login,
		imagecall.OpLogout: logout,
		imagecall.OpSign:   sign,
		imagecall.OpSync:   syncStore,

		imagecall.OpDevices: devices,
		imagecall.OpIndex:   func(ctx context.Context, w *work) error { return index.Do(ctx, w.session, w.res) },
	}
}

// devices finds what vendors say of their devices.
func devices(_ context.Context, w *work) error {
	spec, nodes, err := vendordevice.Resolve(w.req.DeviceDirs, w.req.Devices, w.req.UID, w.req.GID)
	if err != nil {
		return err
	}
	w.res.HostNodes = nodes
	w.res.Spec, err = json.Marshal(spec)
	return err
}

func pull(ctx context.Context, w *work) error {
	for _, ref := range w.req.Images {
		var images []imagecall.Image
		var err error
		if registry.IsFile(ref) {
			images, err = archive.Pull(ctx, w.session, ref)
		} else {
			images, err = w.session.Pull(ctx, ref)
		}
		w.res.Images = append(w.res.Images, images...)
		if err != nil {
			w.fail(ref, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil
}

func push(ctx context.Context, w *work) error {
	if len(w.req.Images) < 1 || len(w.req.Images) > 2 {
		return errors.New("cannot push: name one image and at most one destination")
	}
	dest := ""
	if len(w.req.Images) == 2 {
		dest = w.req.Images[1]
	}
	list, isList, err := index.Push(ctx, w.session, w.req.Images[0], dest)
	if isList && err == nil {
		w.res.Images = []imagecall.Image{*list}
	}
	if !isList {
		w.res.Images, err = w.session.Push(ctx, w.req.Images[0], dest)
	}
	if err != nil {
		w.fail(w.req.Images[0], err)
	}
	return nil
}

func sign(ctx context.Context, w *work) error {
	for _, ref := range w.req.Images {
		img, err := w.session.Sign(ctx, ref)
		if err != nil {
			w.fail(ref, err)
			continue
		}
		w.res.Images = append(w.res.Images, *img)
	}
	return nil
}

func tag(ctx context.Context, w *work) error {
	if len(w.req.Images) < 2 {
		return errors.New("cannot tag: name an image and at least one new name")
	}
	img, err := w.store.Tag(ctx, w.req.Images[0], w.req.Images[1:])
	return w.changed(img, err)
}

func untag(ctx context.Context, w *work) error {
	if len(w.req.Images) < 1 {
		return errors.New("cannot untag: name an image")
	}
	img, err := w.store.Untag(ctx, w.req.Images[0], w.req.Images[1:])
	return w.changed(img, err)
}

func (w *work) changed(img *state.Image, err error) error {
	if err != nil {
		w.fail(w.req.Images[0], err)
		return nil
	}
	w.res.Images = []imagecall.Image{{ID: img.ID, Digest: img.Digest}}
	return nil
}

func remove(ctx context.Context, w *work) error {
	if w.req.All || w.req.Dangling {
		removed, errs := w.store.RemoveAll(ctx, !w.req.All)
		w.res.Removed = removed
		for _, err := range errs {
			w.fail("", err)
		}
		return nil
	}
	o := store.RemoveOptions{Force: w.req.Force, NoPrune: w.req.NoPrune}
	for _, ref := range w.req.Images {
		removed, err := w.store.Remove(ctx, ref, o)
		w.res.Removed = append(w.res.Removed, removed...)
		if err != nil && !((w.req.Ignore || w.req.Force) && errors.Is(err, state.ErrNotFound)) {
			w.fail(ref, err)
		}
	}
	return nil
}

func load(ctx context.Context, w *work) error {
	images, err := archive.Load(ctx, w.session)
	w.res.Images = images
	return err
}

func importTree(ctx context.Context, w *work) error {
	img, err := archive.Import(ctx, w.session)
	if err == nil {
		w.res.Images = []imagecall.Image{*img}
	}
	return err
}

func commit(ctx context.Context, w *work) error {
	img, err := archive.Commit(ctx, w.session)
	if err == nil {
		w.res.Images = []imagecall.Image{*img}
	}
	return err
}

func search(ctx context.Context, w *work) (err error) {
	w.res.Search, err = w.session.Search(ctx)
	return err
}

func login(ctx context.Context, w *work) (err error) {
	w.res.Login, err = w.session.Login(ctx)
	return err
}

func logout(_ context.Context, w *work) (err error) {
	w.res.Login, err = w.session.Logout()
	return err
}

func (w *work) fail(image string, err error) {
	kind, text := registry.Cause(err)
	var told *registry.Told
	if f := registry.AsFailed(err); f != nil {
		text = f.Error()
	} else if errors.As(err, &told) {
		kind, text = told.Kind, told.Text
	}
	w.res.Failures = append(w.res.Failures, imagecall.Failure{Kind: kind, Message: text, Image: image})
}
