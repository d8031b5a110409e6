package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/state"
	"skiff/state/dirs"
)

// ZoneLocal is the name of the host's time zone.
const ZoneLocal = "local"

// checkExtras finds the secrets and refuses what cannot be started.
func (e *Engine) checkExtras(cfg *state.Config) ([]state.Secret, error) {
	if cfg.Extras == nil {
		return nil, nil
	}
	x := cfg.Extras
	if x.Timezone != "" && x.Timezone != ZoneLocal {
		if st, err := os.Stat(filepath.Join("/usr/share/zoneinfo", x.Timezone)); err != nil || st.IsDir() {
			return nil, state.Errorf(state.ErrInvalid, "cannot use the time zone %q: unknown time zone %s", x.Timezone, x.Timezone)
		}
	}
	if x.InitPath != "" {
		if st, err := os.Stat(x.InitPath); err != nil || !st.Mode().IsRegular() {
			return nil, state.Errorf(state.ErrInvalid, "cannot use the init program %q: it is not a file", x.InitPath)
		}
	}
	var found []state.Secret
	uses := slices.Clone(x.Secrets)
	for i, use := range uses {
		s, err := e.Secret(use.Name)
		if err != nil {
			return nil, err
		}
		uses[i].ID, uses[i].Name = s.ID, s.Name
		found = append(found, s)
	}
	x.Secrets = uses
	return found, nil
}

// keepSecrets copies the content of secrets to the container's own directory,
// so that the container has what they were when it was made.
func (e *Engine) keepSecrets(cfg *state.Config, secrets []state.Secret) error {
	c := e.Roots.Container(cfg.ID)
	for i, s := range secrets {
		if err := os.MkdirAll(filepath.Dir(c.Secret(i)), 0o711); err != nil {
			return fmt.Errorf("cannot keep secret %q: %w", s.Name, err)
		}
		if err := os.WriteFile(c.Secret(i), s.Data, 0o600); err != nil {
			return fmt.Errorf("cannot keep secret %q: %w", s.Name, err)
		}
	}
	return nil
}

// SecretEnv are the variables that hold secrets, as NAME=content.
func SecretEnv(c dirs.Container, uses []state.SecretUse) (out []string, err error) {
	for i, use := range uses {
		if use.Env == "" {
			continue
		}
		data, err := os.ReadFile(c.Secret(i))
		if err != nil {
			return nil, fmt.Errorf("cannot read secret %q of the container: %w", use.Name, err)
		}
		if strings.IndexByte(string(data), 0) >= 0 {
			return nil, fmt.Errorf("cannot put secret %q into a variable: there is a zero byte in it", use.Name)
		}
		out = append(out, use.Env+"="+string(data))
	}
	return out, nil
}

// startRequired starts the containers that another one needs.
func (e *Engine) startRequired(ctx context.Context, ids []string) error {
	for _, id := range ids {
		session, err := e.launch(ctx, id, launchOptions{})
		if errors.Is(err, ErrRunning) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot start what the container requires: %w", err)
		}
		session.Close()
	}
	return nil
}

// RemoveImage removes the image of a container that is gone, unless others use
// it. Podman: --rmi. Internal command remove-image.
func (e *Engine) RemoveImage(ctx context.Context, name string) error {
	img, _, err := e.Images.Lookup(name)
	if err != nil {
		return err
	}
	containers, err := e.containers()
	if err != nil {
		return err
	}
	for _, c := range containers {
		if c.Config.Image.ID == img.ID {
			return state.Errorf(state.ErrInUse, "image %s is not removed: image is in use by a container: %s", name, c.Config.Name)
		}
	}
	res, err := e.ImageRemove(ctx, []string{name}, ImageRemoveOptions{}, Streams{})
	if err == nil {
		err = failure(res)
	}
	return err
}

// inherited are this process's descriptors with these numbers.
func inherited(numbers []int) (out []*os.File, err error) {
	for _, n := range numbers {
		flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 { // one of skiff's own
			return nil, fmt.Errorf("cannot preserve descriptor %d: it is not open", n)
		}
		dup, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, fmt.Errorf("cannot preserve descriptor %d: %w", n, err)
		}
		out = append(out, os.NewFile(uintptr(dup), fmt.Sprintf("descriptor %d", n)))
	}
	return out, nil
}

// InPlace puts descriptors where they will have their numbers when they follow
// the standard streams. What lies between them is /dev/null: a free number could
// become something of the host's while the program is started.
func InPlace(files []*os.File, numbers []int) ([]*os.File, error) {
	if len(files) == 0 {
		return nil, nil
	}
	if len(files) != len(numbers) {
		return nil, errors.New("cannot preserve descriptors: not all of them came")
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	out := make([]*os.File, slices.Max(numbers)-2)
	for i := range out {
		out[i] = null
	}
	for i, n := range numbers {
		out[n-3] = files[i]
	}
	return out, nil
}
