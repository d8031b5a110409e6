package main

import (
	"cmp"
	"context"
	"errors"
	"os"

	"skiff/rootfs/build"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/index"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
)

// build makes images of a Dockerfile. The store is opened when something is to be
// written to it: a build that finds all of it done needs none.
func (w *work) build(ctx context.Context) error {
	images := layer.Images{Roots: w.req.Roots}
	if len(w.req.ImageStores) > 0 {
		images.Shared = &layer.Shared{Stores: w.req.ImageStores}
	}
	defer func() {
		if w.session != nil {
			w.session.Close()
		}
		if w.store != nil {
			w.store.Close()
		}
	}()
	runner := imagecall.NewRunner(imagecall.StepsFD)
	defer runner.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-runner.Gone(): // there is nobody to build for
			cancel()
		case <-ctx.Done():
		}
	}()
	res, err := build.Build(ctx, build.Tools{
		Request: w.req, Images: images, Runner: runner,
		Open: func() (*registry.Session, error) {
			err := w.open(ctx)
			return w.session, err
		},
		PushIndex: func(ctx context.Context, s *registry.Session, id, dest string) (*imagecall.Image, error) {
			img, _, err := index.Push(ctx, s, id, dest)
			return img, err
		},
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
	})
	w.res.Images = res.Images
	if err != nil {
		w.fail("", err)
		w.tellStep(err)
	}
	return nil
}

// tellStep adds to the failure of a build what is known of the step that failed.
func (w *work) tellStep(err error) {
	f := &w.res.Failures[len(w.res.Failures)-1]
	var exit *build.ExitError
	var start *build.StartError
	if errors.As(err, &start) {
		f.Code, f.Kind = start.Code, imagecall.FailStart
	}
	if errors.As(err, &exit) {
		f.Code = exit.Code
	}
	if errors.Is(err, build.ErrChecks) {
		f.Kind, f.Code = imagecall.FailChecks, 1
	}
	var at *build.LocatedError
	if errors.As(err, &at) {
		f.State, f.Step, f.Place, f.Cause = at.State, cmp.Or(at.Title, at.Step), at.Place(), at.Err.Error()
	}
}

// open opens the store, with records that agree with it, and the session.
func (w *work) open(ctx context.Context) (err error) {
	if err := w.openStore(ctx); err != nil {
		return err
	}
	w.session, err = registry.NewSession(w.req, w.store, os.Stderr)
	return err
}
