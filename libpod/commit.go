package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"

	"skiff/rootfs/imagecall"
	"skiff/state"
	"skiff/state/event"
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
	// Volumes makes volumes of the image of those that the container has. Podman:
	// commit --include-volumes.
	Volumes bool
	// Squash makes an image of one layer. Podman: commit --squash.
	Squash bool
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
	req.Changes = append(exposeChanges(cfg), req.Changes...)
	if opt.Volumes {
		change, err := volumeChange(cfg)
		if err != nil {
			return res, err
		}
		req.Changes = append(change, req.Changes...)
	}
	if opt.Squash {
		res, err = e.commitAll(ctx, id, req, s)
	} else {
		res, err = e.ImageCall(ctx, req, s)
	}
	if err == nil && len(res.Images) > 0 {
		e.noteContainer(cfg, event.Commit, "imageID", res.Images[0].ID, "comment", opt.Message)
	}
	return res, err
}

// exposeChanges declare the ports that were exposed and published.
func exposeChanges(cfg *state.Config) []string {
	var changes []string
	for _, e := range cfg.Network.Expose {
		changes = append(changes, "EXPOSE "+e)
	}
	for _, p := range cfg.Network.Ports {
		changes = append(changes, "EXPOSE "+strconv.Itoa(int(p.ContainerPort))+"/"+p.Protocol)
	}
	return changes
}

// volumeChange declares the container's volumes as an instruction.
func volumeChange(cfg *state.Config) ([]string, error) {
	var targets []string
	for _, m := range cfg.Mounts {
		if m.Type == state.MountVolume {
			targets = append(targets, m.Target)
		}
	}
	if len(targets) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(targets)
	return []string{"VOLUME " + string(list)}, err
}

// commitAll commits all of the container's files as one layer.
func (e *Engine) commitAll(ctx context.Context, id string, req imagecall.Request, s Streams) (res imagecall.Result, err error) {
	call, err := e.startFiles(ctx, id, FilesRequest{Op: FilesExport})
	if err != nil {
		return res, err
	}
	if _, err := call.report(); err != nil {
		call.end()
		return res, err
	}
	in, tree, err := os.Pipe()
	if err != nil {
		call.end()
		return res, err
	}
	packed := make(chan error, 1)
	go func() {
		_, err := io.Copy(tree, call.read)
		tree.Close()
		packed <- call.finished(err)
	}()
	req.Commit.Squash, s.In = true, in
	res, err = e.ImageCall(ctx, req, s)
	in.Close()
	perr := <-packed
	if perr == nil || err != nil || len(res.Images) == 0 {
		return res, err
	}
	// An archive that breaks off between two files passes for a whole one.
	for _, i := range res.Images {
		_, err = e.ImageCall(ctx, imagecall.Request{Op: imagecall.OpRemove, Images: []string{i.ID}, Force: true}, Streams{})
	}
	return imagecall.Result{}, errors.Join(perr, err)
}
