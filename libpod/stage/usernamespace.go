package stage

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"skiff/rootfs/layer"
	"skiff/rootfs/volume"
	"skiff/runtime/hostfacts"
	"skiff/runtime/rootless"
	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/state"
)

// userNamespace is a user namespace of the container's own.
type userNamespace struct {
	file *os.File
	maps state.IDMaps
	// uid and gid are the container's root, as this process sees it.
	uid, gid uint32
	staging  *layer.Staging
	// binds are the paths of the user's bind mounts in staging, by target.
	binds map[string]string
}

// path names the namespace while this process lives.
func (u *userNamespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), u.file.Fd()) }

// openUserNamespace makes the container's user namespace or finds the one to
// join, and a place for what is mounted in it.
func (s *starter) openUserNamespace() (err error) {
	if !s.cfg.OwnUserNS() {
		return nil
	}
	u := &userNamespace{binds: map[string]string{}}
	mode := s.cfg.Namespaces.User
	if id, ok := strings.CutPrefix(mode, state.ModeContainer); ok {
		path, err := s.namespaceOf(id, "user")
		if err != nil {
			return err
		}
		u.file, err = os.Open(path)
		if err != nil {
			return err
		}
	} else if state.IsNamespacePath(mode) {
		if u.file, err = openUserNS(strings.TrimPrefix(mode, state.ModeNamespacePath)); err != nil {
			return err
		}
	} else if u.file, err = rootless.NewNamespace(*s.cfg.IDMaps); err != nil {
		return err
	}
	if s.cfg.IDMaps != nil {
		u.maps = *s.cfg.IDMaps
	} else if u.maps, err = sandbox.UserNamespaceMaps(u.path()); err != nil {
		return err
	}
	var uids, gids bool
	u.uid, uids = state.ToOutside(u.maps.UIDs, 0)
	u.gid, gids = state.ToOutside(u.maps.GIDs, 0)
	if !uids || !gids {
		return errors.New("cannot use the user namespace: it has no root user and group (map the id 0)")
	}
	s.user = u
	return s.stageBinds()
}

// openUserNS opens a user namespace by its path.
func openUserNS(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot join the user namespace %q: %w", path, err)
	}
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || kind != unix.CLONE_NEWUSER {
		f.Close()
		return nil, fmt.Errorf("cannot join the user namespace %q: it is none", path)
	}
	return f, nil
}

// stageBinds opens what the user mounts and then covers the place where it, and
// all else that the container's root is to reach, is mounted.
func (s *starter) stageBinds() error {
	clones := map[string]int{}
	defer func() {
		for _, fd := range clones {
			unix.Close(fd)
		}
	}()
	for _, m := range s.cfg.Mounts {
		if m.Type != state.MountBind {
			continue
		}
		fd, err := layer.Clone(m.Source, !m.NonRecursive)
		if errors.Is(err, os.ErrNotExist) {
			return noSource(m, err)
		}
		if err != nil {
			return fmt.Errorf("cannot mount %q on %q: %w", m.Source, m.Target, err)
		}
		clones[m.Target] = fd
		if err := s.mapMount(m, fd); err != nil {
			return err
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	r := s.engine.Roots
	if s.user.staging, err = layer.NewStaging(r.Data, r.Run, exe, s.cfg.Runtime); err != nil {
		return err
	}
	for target, fd := range clones {
		if s.user.binds[target], err = s.user.staging.Attach(fd); err != nil {
			return err
		}
	}
	return nil
}

// idmapOption is the mount option that has files on disk belong to the ids that
// the container sees. Podman: idmap.
const idmapOption = "idmap"

// mapMount maps the owners of a mount whose options ask for it.
func (s *starter) mapMount(m state.Mount, clone int) error {
	if !slices.Contains(m.Options, idmapOption) {
		return nil
	}
	ns := s.user.file
	if m.IDMap != nil {
		maps, err := m.IDMap.Over(s.user.maps)
		if err != nil {
			return fmt.Errorf("cannot mount %q on %q: %w", m.Source, m.Target, err)
		}
		if ns, err = rootless.NewNamespace(maps); err != nil {
			return err
		}
		defer ns.Close()
	}
	if err := layer.MapOwners(clone, int(ns.Fd()), !m.NonRecursive); err != nil {
		return fmt.Errorf("cannot mount %q on %q with the option idmap: %w", m.Source, m.Target, err)
	}
	return nil
}

// stageVolume gives the path of a volume as the container is to see it.
func (s *starter) stageVolume(m state.Mount, path string) (string, error) {
	if s.user == nil {
		return path, nil
	}
	if !slices.Contains(m.Options, idmapOption) {
		return path, s.giveNew(path)
	}
	fd, err := layer.Clone(path, true)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if err := s.mapMount(m, fd); err != nil {
		return "", err
	}
	return s.user.staging.Attach(fd)
}

// giveNew gives an empty volume that nobody has used to the container's root, who
// else could not write to it.
func (s *starter) giveNew(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() || s.mapped(st.Uid) {
		return nil
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) > 0 {
		return err
	}
	return os.Lchown(dir, int(s.user.uid), int(s.user.gid))
}

// rootIDs are the container's root, as this process sees it.
func (s *starter) rootIDs() (uid, gid int) {
	if s.user == nil {
		return 0, 0
	}
	return int(s.user.uid), int(s.user.gid)
}

// outside gives a user and a group of the container as this process sees them.
func (s *starter) outside(uid, gid int) (int, int, error) {
	if s.user == nil {
		return uid, gid, nil
	}
	u, users := state.ToOutside(s.user.maps.UIDs, uint32(uid))
	g, groups := state.ToOutside(s.user.maps.GIDs, uint32(gid))
	if !users || !groups {
		return 0, 0, fmt.Errorf("the container's user namespace has no %d:%d", uid, gid)
	}
	return int(u), int(g), nil
}

// mapped says whether the container has a user for an id of ours.
func (s *starter) mapped(uid uint32) bool {
	return slices.ContainsFunc(s.user.maps.UIDs, func(r state.IDRange) bool { return uid >= r.Outside && uid-r.Outside < r.Size })
}

// ownFiles gives the files that are mounted into /etc to the container's root.
func (s *starter) ownFiles() error {
	if s.user == nil {
		return nil
	}
	for _, path := range []string{s.dirs.ResolvConf(), s.dirs.Hosts(), s.dirs.HostnameFile()} {
		err := os.Lchown(path, int(s.user.uid), int(s.user.gid))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot give the container its own files: %w", err)
		}
	}
	return nil
}

// ownMount gives a mount's files to the container's user where its options ask
// for it. Podman: U.
func (s *starter) ownMount(m state.Mount, path string, u spec.User) error {
	if !slices.Contains(m.Options, "U") {
		return nil
	}
	if slices.Contains(volume.SystemPaths(), m.Source) {
		return fmt.Errorf("cannot mount %q on %q with the option U: it is a directory of the system", m.Source, m.Target)
	}
	uid, gid := u.UID, u.GID
	if s.user != nil && !slices.Contains(m.Options, idmapOption) {
		uid, _ = state.ToOutside(s.user.maps.UIDs, uid) // exists has looked
		gid, _ = state.ToOutside(s.user.maps.GIDs, gid)
	}
	return volume.Own(path, int(uid), int(gid))
}

// rootfs is where the container's root file system is mounted.
func (s *starter) rootfs() string {
	if s.user != nil {
		return s.user.staging.Root
	}
	return s.dirs.Rootfs()
}

// layers gives an image's layers with the owners that the container is to see.
func (s *starter) layers(layers []string) ([]string, error) {
	if s.user == nil {
		return layers, nil
	}
	out, err := s.user.staging.MapLayers(layers, int(s.user.file.Fd()))
	if !errors.Is(err, layer.ErrNoIDMap) {
		return out, err
	}
	return layer.Shifted{Dir: s.engine.Roots.ShiftedLayers(), Maps: s.user.maps}.Layers(layers)
}

// seen are the facts about the machine as the container's namespace has them.
func (s *starter) seen() hostfacts.Facts {
	f := s.facts
	if s.user != nil {
		f.UserNS = true
		f.MappedUIDs, f.MappedGIDs = fromZero(s.user.maps.UIDs), fromZero(s.user.maps.GIDs)
	}
	return f
}

func specMap(m []state.IDRange) []specs.LinuxIDMapping {
	out := make([]specs.LinuxIDMapping, 0, len(m))
	for _, r := range m {
		out = append(out, specs.LinuxIDMapping{ContainerID: r.Inside, HostID: r.Outside, Size: r.Size})
	}
	return out
}

// fromZero counts the ids from 0 on that are mapped without a gap.
func fromZero(m []state.IDRange) uint32 {
	next := uint64(0)
	for again := true; again; {
		again = false
		for _, r := range m {
			if r.Size > 0 && uint64(r.Inside) == next {
				next, again = next+uint64(r.Size), true
			}
		}
	}
	return uint32(min(next, 1<<32-1))
}

// exists checks that a user is one of the namespace's.
func (s *starter) exists(u spec.User) (spec.User, error) {
	if s.user != nil {
		return u.In(s.user.maps)
	}
	return u.Mapped(s.facts.MappedUIDs, s.facts.MappedGIDs)
}
