package main

import (
	"context"
	"fmt"
	"os"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
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
	var err error
	if needsStore(w.req.Op) {
		w.store, err = store.Open(store.Options{
			Roots: w.req.Roots, Driver: w.req.StorageDriver, DriverOptions: w.req.StorageOptions,
		})
		if err != nil {
			return err
		}
		defer w.store.Close()
		if err := w.store.Sync(ctx); err != nil {
			return err
		}
	}
	if w.session, err = registry.NewSession(w.req, w.store, os.Stderr); err != nil {
		return err
	}
	defer w.session.Close()
	switch w.req.Op {
	case imagecall.OpSync:
		return nil
	case imagecall.OpPull:
		return w.pull(ctx)
	}
	return fmt.Errorf("operation %q is not known to this image tool", w.req.Op)
}

func needsStore(op string) bool {
	return op != imagecall.OpSearch && op != imagecall.OpLogin && op != imagecall.OpLogout
}

func (w *work) pull(ctx context.Context) error {
	for _, ref := range w.req.Images {
		images, err := w.session.Pull(ctx, ref)
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

func (w *work) fail(image string, err error) {
	w.res.Failures = append(w.res.Failures, failure(image, err))
}

// failure describes an error to the engine.
func failure(image string, err error) imagecall.Failure {
	kind, text := registry.Cause(err)
	if f := registry.AsFailed(err); f != nil {
		text = f.Error()
	}
	return imagecall.Failure{Kind: kind, Message: text, Image: image}
}
