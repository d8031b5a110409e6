package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"

	"skiff/libpod/idmap"
	"skiff/libpod/resolve"
	"skiff/rootfs/layer"
	"skiff/rootfs/volume"
	"skiff/runtime/hostfacts"
	"skiff/state"
	"skiff/state/cleanup"
	"skiff/state/event"
	"skiff/state/lock"
)

// CreateRequest is a container to make.
type CreateRequest struct {
	// Config holds what the command line said; the rest is resolved from the
	// image and the engine's defaults.
	Config *state.Config
	// Explicit says which flags were set where their zero value means something.
	Explicit resolve.Given
	// IDMap is what is asked for beside --userns.
	IDMap idmap.Request
	// Image is the image as the user typed it.
	Image string
	// Pull is always, missing, never or newer; Platform os/arch[/variant].
	Pull      string
	Platform  string
	Quiet     bool
	Authfile  string
	CertDir   string
	TLSVerify *bool
	// Username and Password are for the registry; both may be empty.
	Username, Password string
	// Retry and RetryDelay say how a pull that fails is tried again, as in
	// imagecall.Request.
	Retry      *int
	RetryDelay string
	// Replace removes a container of the same name first. Podman: --replace.
	Replace bool
	// Volumes say how volumes that are not there yet are made, by the path in the
	// container. Docker: --mount volume-opt, volume-label.
	Volumes map[string]VolumeOptions
	// CIDFile gets the id and must not exist yet.
	CIDFile string
}

// nameTries bounds the search for a free generated name.
const nameTries = 20

// Create makes a container without starting it.
func (e *Engine) Create(ctx context.Context, req CreateRequest) (string, error) {
	cfg, err := e.create(ctx, req, nil)
	if err != nil {
		return "", err
	}
	return cfg.ID, nil
}

// create makes the record. ahead, if set, is called with the id and the likely
// name as soon as the image is there.
func (e *Engine) create(ctx context.Context, req CreateRequest, ahead func(id, name string)) (_ *state.Config, err error) {
	cidfile, err := openCIDFile(req.CIDFile)
	if err != nil {
		return nil, err
	}
	var undo cleanup.Stack
	defer undo.UnlessDone(&err)
	if cidfile != nil {
		defer cidfile.Close()
		undo.Push(func() error { return os.Remove(req.CIDFile) })
	}
	var img *state.Image
	full := ""
	if req.Config.Extra().Rootfs == nil {
		if img, full, err = e.imageFor(ctx, req); err != nil {
			return nil, err
		}
	}
	asked := *req.Config
	generated := asked.Name == ""
	if asked.ID = resolve.ID(); generated {
		asked.Name = resolve.Name()
	}
	req.Config = &asked
	if ahead != nil {
		ahead(asked.ID, asked.Name)
	}
	cfg, err := e.resolve(req, img, full)
	if err != nil {
		return nil, err
	}
	secrets, err := e.checkExtras(cfg)
	if err != nil {
		return nil, err
	}
	if err := e.nameNetworks(&cfg.Network); err != nil {
		return nil, err
	}
	if err := e.Networks().Validate(cfg.Network); err != nil {
		return nil, err
	}
	if req.Replace {
		if err := e.replace(ctx, cfg.Name); err != nil {
			return nil, err
		}
	}
	if err := e.sources(cfg, req.Volumes, &undo); err != nil {
		return nil, err
	}
	taken, err := e.mapIDs(cfg, req, img)
	if err != nil {
		return nil, err
	}
	err = e.store(cfg, img, generated)
	taken.Release()
	if err != nil {
		return nil, err
	}
	if err := e.keepSecrets(cfg, secrets); err != nil {
		undo.Push(func() error { return e.removeRecord(ctx, cfg, false) })
		return nil, err
	}
	e.noteCreated(cfg)
	if cidfile != nil {
		if _, err := cidfile.WriteString(cfg.ID); err != nil {
			undo.Push(func() error { return e.removeRecord(ctx, cfg, false) })
			return nil, fmt.Errorf("cannot write the id to %q: %w", req.CIDFile, err)
		}
	}
	return cfg, nil
}

func openCIDFile(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("container ID file found, make sure the other container isn't running or delete %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make the container ID file: %w", err)
	}
	return f, nil
}

// resolve completes the request to a config with an id and a name.
func (e *Engine) resolve(req CreateRequest, img *state.Image, full string) (*state.Config, error) {
	cfg, err := resolve.Complete(req.Config, img, resolve.Input{
		Given:         req.Explicit,
		ImageName:     full,
		Defaults:      e.Settings,
		Host:          hostfacts.New(),
		Rootless:      e.Rootless(),
		CgroupManager: e.Global.CgroupManager,
		Runtime:       e.runtimePath(),
		RuntimeFlags:  e.Global.RuntimeFlags,
		Log:           e.Roots.Container,
		CIDFile:       req.CIDFile,
		Find:          e.Config,
		ReadFile:      os.ReadFile,
	})
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// replace removes the container that has the name, if one has.
func (e *Engine) replace(ctx context.Context, name string) error {
	id, err := e.Store.Find(name)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.Remove(ctx, id, RemoveOptions{Force: true})
}

// sources makes what mounts of kind -v refer to and does not exist, volumes and
// host directories, and finds the images that are mounted.
func (e *Engine) sources(cfg *state.Config, volumes map[string]VolumeOptions, undo *cleanup.Stack) error {
	for i, m := range cfg.Mounts {
		switch {
		case m.Type == state.MountVolume:
			_, err := e.Volumes.Load(m.Source)
			if err == nil {
				continue
			}
			if !errors.Is(err, state.ErrNotFound) {
				return err
			}
			if err := e.Volumes.Create(m.Source, volume.Options{
				Anonymous: m.Anonymous, Labels: volumes[m.Target].Labels, Options: volumes[m.Target].Options,
			}); err != nil && !errors.Is(err, state.ErrExists) {
				return err
			}
			undo.Push(func() error { return e.Volumes.Discard(m.Source) })
			e.note(event.Event{Type: event.Volume, Status: event.Create, Name: m.Source})
		case m.Type == state.MountImage:
			img, _, err := e.Images.LookupImage(m.Source, layer.ThisPlatform())
			if err != nil {
				return fmt.Errorf("cannot mount an image on %q: %w", m.Target, err)
			}
			cfg.Mounts[i].Source, cfg.Mounts[i].ImageName = img.ID, m.Source
		case m.Type == state.MountBind && m.MakeSource:
			// A file is as good as a directory.
			if _, err := os.Stat(m.Source); err == nil {
				continue
			}
			if err := os.MkdirAll(m.Source, 0o755); err != nil {
				return fmt.Errorf("cannot make the host directory of mount %q: %w", m.Target, err)
			}
		}
	}
	return nil
}

// store writes the record. While it is written the image cannot be removed:
// whoever removes images takes the lock alone and then looks who uses them.
func (e *Engine) store(cfg *state.Config, img *state.Image, generated bool) error {
	if img != nil {
		l, err := lock.Share(e.Roots.ImageLock())
		if err != nil {
			return err
		}
		defer l.Release()
		if _, err := e.Images.Load(img.ID); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		err := e.Store.Create(cfg)
		if !errors.Is(err, state.ErrExists) || !generated || try == nameTries {
			return err
		}
		cfg.Name = resolve.Name()
	}
}
