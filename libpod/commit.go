package libpod

import (
	"context"
	"errors"

	"skiff/rootfs/imagecall"
	"skiff/state"
)

// CommitOptions say how an image is made of a container.
type CommitOptions struct {
	// Name is the image's; may be empty.
	Name            string
	Author, Message string
	// Changes are Dockerfile instructions.
	Changes []string
	// Docker makes an image of Docker's format, not the OCI's.
	Docker bool
	// Pause freezes the container meanwhile, if it runs.
	Pause bool
	Quiet bool
}

// Commit makes an image of a container's files and of what it runs. Volumes and
// other mounts are no part of it.
func (e *Engine) Commit(ctx context.Context, ref string, opt CommitOptions, s Streams) (res imagecall.Result, err error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return res, err
	}
	cfg, err := e.Store.Load(id)
	if err != nil {
		return res, err
	}
	if opt.Pause {
		st, err := e.status(ctx, id)
		if err != nil {
			return res, err
		}
		if st.Phase == state.Running {
			if err := e.Pause(ctx, id); err != nil {
				return res, err
			}
			defer func() { err = errors.Join(err, e.Unpause(context.WithoutCancel(ctx), id)) }()
		}
	}
	req := imagecall.Request{
		Op: imagecall.OpCommit, Message: opt.Message, Changes: opt.Changes, Quiet: opt.Quiet, Format: "oci",
		Commit: &imagecall.Commit{
			Container: cfg.Name, Base: cfg.Image.ID, Upper: e.Roots.Container(id).Upper(), Author: opt.Author,
			Env: cfg.Process.Env, Entrypoint: cfg.Process.Entrypoint, Cmd: cfg.Process.Cmd,
			WorkingDir: cfg.Process.Cwd, User: cfg.Process.User, Labels: cfg.Labels,
		},
	}
	if opt.Docker {
		req.Format = "docker"
	}
	if opt.Name != "" {
		req.Images = []string{opt.Name}
	}
	return e.ImageCall(ctx, req, s)
}
