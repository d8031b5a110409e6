package stage

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/runtime/spec"
	"skiff/state"
)

// containerEnv makes the file by which programs see that they are in a container.
// It says of which only to a privileged one, as in Podman, and is not put into what
// the user mounts on /run. An empty one is one file in the writable layer: that
// costs less than a mount.
func (s *starter) containerEnv(in *spec.Inputs) error {
	if s.cfg.Extra().Build != nil {
		return nil // it would be in the layer
	}
	tmpfs := s.cfg.ReadOnly && s.cfg.ReadOnlyTmpfs || s.cfg.Extra().Systemd
	for _, m := range s.cfg.Mounts {
		switch {
		case m.Target == path.Dir(spec.ContainerEnv) && m.Type == state.MountTmpfs:
			tmpfs = true
		case m.Target == path.Dir(spec.ContainerEnv), m.Target == spec.ContainerEnv:
			return nil
		}
	}
	if !tmpfs && !s.cfg.Security.Privileged {
		return s.markRoot()
	}
	file := s.dirs.ContainerEnv()
	var text string
	if s.cfg.Security.Privileged {
		text = s.containerEnvText()
	}
	// A shell reads it: others must not find half of it at a restart.
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("cannot write %s: %w", spec.ContainerEnv, err)
	}
	uid, gid := s.rootIDs()
	if err := os.Lchown(file, uid, gid); err != nil {
		return fmt.Errorf("cannot write %s: %w", spec.ContainerEnv, err)
	}
	in.ContainerEnv = file
	return nil
}

// markRoot makes the empty file in the root file system. Whatever the image has in
// its place stays.
func (s *starter) markRoot() error {
	uid, gid := s.rootIDs()
	create := func() error {
		f, err := s.root.Create(spec.ContainerEnv, unix.O_WRONLY|unix.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		if s.user != nil {
			err = f.Chown(uid, gid)
		}
		return errors.Join(err, f.Close())
	}
	err := create()
	if errors.Is(err, os.ErrNotExist) {
		if err = s.root.MkdirAll(path.Dir(spec.ContainerEnv), 0o755, uid, gid); err == nil {
			err = create()
		}
	}
	// A directory of the user's may be read-only, and an image's /run be anything.
	if slices.ContainsFunc([]error{os.ErrExist, unix.EROFS, unix.ENOTDIR}, func(e error) bool { return errors.Is(err, e) }) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make %s: %w", spec.ContainerEnv, err)
	}
	return nil
}

// containerEnvText is Podman's, to be read by a shell.
func (s *starter) containerEnvText() string {
	rootless := 0
	if s.facts.UserNS {
		rootless = 1
	}
	var out strings.Builder
	for _, kv := range [][2]string{
		{"engine", "skiff-" + s.engine.Global.Version}, {"name", s.cfg.Name}, {"id", s.cfg.ID},
		{"image", s.cfg.Image.Name}, {"imageid", s.cfg.Image.ID},
	} {
		fmt.Fprintf(&out, "%s=%q\n", kv[0], kv[1])
	}
	fmt.Fprintf(&out, "rootless=%d\n", rootless)
	return out.String()
}
