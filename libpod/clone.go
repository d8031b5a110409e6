package libpod

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"skiff/libpod/resolve"
	"skiff/runtime/hostfacts"
	"skiff/state"
	"skiff/state/cleanup"
)

// CloneRequest says how a copy of a container differs from it.
type CloneRequest struct {
	// Name is the copy's; empty for the container's with -clone behind.
	Name string
	// Image is another image for the copy, which is pulled if it is missing; empty
	// for the container's own.
	Image string
	// Change changes the copy's config as the user asks; may be nil.
	Change func(*state.Config) error
	// Destroy removes the container when the copy is there, Force also one that runs.
	Destroy, Force bool
}

// Clone makes a container with the configuration of another one, and with its
// volumes, but with a root file system as its image has it. Podman: container clone.
func (e *Engine) Clone(ctx context.Context, ref string, req CloneRequest) (id string, err error) {
	from, err := e.Store.Find(ref)
	if err != nil {
		return "", err
	}
	live, err := e.status(ctx, from)
	if err != nil {
		return "", err
	}
	if req.Destroy && !req.Force && live.Phase.Active() {
		return "", fmt.Errorf("cannot clone container %s: it is running, and --destroy would remove it: stop it first or use --force", ref)
	}
	old, err := e.Store.Load(from)
	if err != nil {
		return "", err
	}
	// A second reading rather than a copy: the two share no list.
	cfg, err := e.Store.Load(from)
	if err != nil {
		return "", err
	}
	if id, err = e.clone(ctx, old, cfg, req); err != nil {
		return "", fmt.Errorf("cannot clone container %s: %w", ref, err)
	}
	if req.Destroy {
		// As with Podman, volumes stay: the copy has them.
		err = e.Remove(ctx, from, RemoveOptions{Force: req.Force})
	}
	return id, err
}

func (e *Engine) clone(ctx context.Context, old, cfg *state.Config, req CloneRequest) (_ string, err error) {
	cfg.ID, cfg.Created = resolve.ID(), time.Now()
	if req.Image != "" {
		img, full, err := e.imageFor(ctx, CreateRequest{Image: req.Image, Pull: pullMissing})
		if err != nil {
			return "", err
		}
		cfg.Image = state.ImageRef{ID: img.ID, Name: full, Given: req.Image}
	}
	var img *state.Image
	if cfg.Image.ID != "" {
		if img, err = e.Images.Load(cfg.Image.ID); err != nil {
			return "", fmt.Errorf("cannot find its image: %w", err)
		}
	}
	e.ownThings(old, cfg, req.Destroy)
	if req.Change != nil {
		if err := req.Change(cfg); err != nil {
			return "", err
		}
	}
	if err := resolve.Updated(old, cfg, hostfacts.New()); err != nil {
		return "", err
	}
	secrets, err := e.checkExtras(cfg)
	if err != nil {
		return "", err
	}
	if err := e.Networks().Validate(cfg.Network); err != nil {
		return "", err
	}
	if cfg.Name, err = e.cloneName(old.Name, req.Name); err != nil {
		return "", err
	}
	var undo cleanup.Stack
	defer undo.UnlessDone(&err)
	if strings.HasPrefix(cfg.Namespaces.User, "auto") {
		taken, err := e.mapIDs(cfg, CreateRequest{Config: cfg}, img)
		if err != nil {
			return "", err
		}
		defer taken.Release()
	}
	if err := e.store(cfg, img, false); err != nil {
		return "", err
	}
	undo.Push(func() error { return e.removeRecord(ctx, cfg, false) })
	if err := e.keepSecrets(cfg, secrets); err != nil {
		return "", err
	}
	e.noteCreated(cfg)
	return cfg.ID, nil
}

// ownThings has the copy leave alone what can be one container's only. Anonymous
// volumes stay that container's, unless it goes.
func (e *Engine) ownThings(old, cfg *state.Config, moved bool) {
	cfg.CIDFile = ""
	if old.Log.Path == e.Roots.Container(old.ID).Log() {
		cfg.Log.Path = e.Roots.Container(cfg.ID).Log()
	}
	if cfg.Extras != nil {
		cfg.Extras.PidFile, cfg.Extras.MonitorPidFile = "", ""
	}
	for i := range cfg.Mounts {
		if m := &cfg.Mounts[i]; m.Anonymous && !moved {
			m.Anonymous, m.NoCopy = false, true
		}
	}
}

// cloneName is the copy's name: the one that is asked for, or the first free one of
// NAME-clone, NAME-clone1 and so on.
func (e *Engine) cloneName(of, asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	ids, err := e.Store.IDs()
	if err != nil {
		return "", err
	}
	var taken []string
	for _, id := range ids {
		if cfg, err := e.Store.Load(id); err == nil {
			taken = append(taken, cfg.Name)
		}
	}
	name := of + "-clone"
	for n := 1; slices.Contains(taken, name); n++ {
		name = of + "-clone" + strconv.Itoa(n)
	}
	return name, nil
}
