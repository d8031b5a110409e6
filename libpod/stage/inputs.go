package stage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"skiff/libpod"
	"skiff/rootfs/safepath"
	"skiff/runtime/program"
	"skiff/runtime/spec"
	"skiff/state"
)

// maxAccountFile bounds how much of a container's passwd and group is read.
const maxAccountFile = 4 << 20

// inputs gathers what the spec needs and only this process knows.
func (s *starter) inputs(net *networkStep) (spec.Inputs, error) {
	in := spec.Inputs{
		Rootfs:       s.dirs.Rootfs(),
		Facts:        s.facts,
		CgroupSuffix: libpod.Suffix(s.engine.Roots),
		NetNS:        net.path(),
		ResolvConf:   s.dirs.ResolvConf(),
		Hosts:        s.dirs.Hosts(),
		HostnameFile: s.dirs.HostnameFile(),
		Volumes:      map[string]string{},
		Namespaces:   map[string]string{},
	}
	user, err := resolveUser(s.root, s.cfg.Process.User, s.cfg.Process.Groups)
	if err != nil {
		return in, err
	}
	in.User = user
	if s.cfg.Process.Init {
		if in.InitPath, err = program.Path(s.engine.Roots, program.Init); err != nil {
			return in, err
		}
	}
	if err := s.joined(&in); err != nil {
		return in, err
	}
	return in, s.volumes(&in)
}

// joined finds the namespaces of other containers that this one shares.
func (s *starter) joined(in *spec.Inputs) error {
	ns := s.cfg.Namespaces
	for kind, mode := range map[string]string{"pid": ns.Pid, "ipc": ns.Ipc, "uts": ns.Uts, "cgroup": ns.Cgroup} {
		id, ok := strings.CutPrefix(mode, state.ModeContainer)
		if !ok {
			continue
		}
		path, err := s.namespaceOf(id, kind)
		if err != nil {
			return err
		}
		in.Namespaces[kind] = path
		if kind == "ipc" {
			live, err := s.engine.Store.Status(id)
			if err != nil {
				return err
			}
			in.ShmOf = live.Pid
		}
	}
	return nil
}

// volumes finds the directories of the volumes, filling those that are used
// for the first time with what the image has in their place.
func (s *starter) volumes(in *spec.Inputs) error {
	for _, m := range s.cfg.Mounts {
		if m.Type != state.MountVolume {
			continue
		}
		path, err := s.engine.Volumes.Use(m.Source)
		if err != nil {
			return err
		}
		if !m.NoCopy {
			if err := s.engine.Volumes.Fill(s.root, m.Target, m.Source); err != nil {
				return err
			}
		}
		if m.Subpath != "" {
			if path, err = subpath(path, m.Subpath); err != nil {
				return err
			}
		}
		in.Volumes[m.Source+"\x00"+m.Subpath] = path
	}
	return nil
}

// subpath finds a directory within a volume, whose content is the containers'
// and may hold links that lead out.
func subpath(volume, sub string) (string, error) {
	root, err := safepath.OpenRoot(volume)
	if err != nil {
		return "", err
	}
	defer root.Close()
	inside, err := root.Resolve(sub)
	if err != nil {
		return "", fmt.Errorf("cannot use subpath %q of the volume: %w", sub, err)
	}
	return filepath.Join(volume, inside), nil
}

// resolveUser looks user and groups up in the container's own account files.
func resolveUser(root *safepath.Root, user string, groups []string) (spec.User, error) {
	passwd, err := accountFile(root, "/etc/passwd")
	if err != nil {
		return spec.User{}, err
	}
	group, err := accountFile(root, "/etc/group")
	if err != nil {
		return spec.User{}, err
	}
	return spec.ResolveUser(passwd, group, user, groups)
}

func accountFile(root *safepath.Root, path string) (io.Reader, error) {
	b, err := root.ReadFile(path, maxAccountFile)
	if errors.Is(err, os.ErrNotExist) {
		return bytes.NewReader(nil), nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the container's %s: %w", path, err)
	}
	return bytes.NewReader(b), nil
}
