package state

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// Store is the container records below one pair of roots.
type Store struct {
	Roots dirs.Roots
	// BootID is the running kernel's, see BootID.
	BootID string
}

// Open gives the store at roots. It makes no directories: the first Create does.
func Open(roots dirs.Roots) (*Store, error) {
	id, err := BootID()
	if err != nil {
		return nil, err
	}
	return &Store{Roots: roots, BootID: id}, nil
}

// BootID is the running kernel's /proc/sys/kernel/random/boot_id.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("cannot read the boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Create stores a new container. cfg.ID and cfg.Name are set by the caller, of
// which the latter may be empty; ErrExists means that one of them is taken.
//
// Until config.json is there the directory is half made. Its maker holds the
// container's lock, so a process that can take the lock on a directory without
// config.json knows that the maker died, and removes it (see Sweep).
func (s *Store) Create(cfg *Config) error {
	for try := 0; ; try++ {
		err := s.create(cfg)
		// Swept between two steps, by a process that came before we had the lock.
		if !errors.Is(err, os.ErrNotExist) || try == createTries {
			return err
		}
	}
}

const createTries = 5

func (s *Store) create(cfg *Config) (err error) {
	c := s.Roots.Container(cfg.ID)
	// Nobody else may walk through: setuid programs in a writable layer would be
	// theirs to run.
	for _, dir := range []string{s.Roots.Containers(), s.Roots.Names()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("cannot make the state directory: %w", err)
		}
	}
	if err := os.Mkdir(c.Data, 0o700); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cannot make container %s: %w", cfg.ID, ErrExists)
		}
		return fmt.Errorf("cannot make container: %w", err)
	}
	l, err := lock.Take(c.Lock())
	if err != nil {
		os.RemoveAll(c.Data)
		return err
	}
	defer l.Release()
	defer func() {
		if err != nil {
			os.RemoveAll(c.Data)
		}
	}()
	if cfg.Name != "" {
		if err := s.reserve(cfg.Name, cfg.ID); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				os.Remove(s.Roots.Name(cfg.Name))
			}
		}()
	}
	for _, dir := range []string{c.Upper(), c.Work(), c.Rootfs()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make the writable layer: %w", err)
		}
	}
	d := jsonfile.Durable
	if cfg.AutoRemove {
		d = jsonfile.Volatile // nothing of it is to survive a power cut
	}
	return jsonfile.Write(c.Config(), cfg, d)
}

// reserve makes the name's file, taking over the name of a container that is
// gone. The file is complete when it appears, so nobody reads half an id.
func (s *Store) reserve(name, id string) error {
	path := s.Roots.Name(name)
	for range 3 {
		err := createLinked(path, id)
		if err == nil {
			return nil
		}
		if !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cannot reserve the name %q: %w", name, err)
		}
		owner := s.nameOwner(name)
		if c := s.Roots.Container(owner); owner != "" && jsonfile.Exists(c.Data) && !jsonfile.Exists(c.Leaving()) {
			return &NameTaken{Name: name, ID: owner}
		}
		os.Remove(path) // its container is gone, or the remover was killed before it came to the name
	}
	return &NameTaken{Name: name}
}

// ClaimName makes the name's file of a container that has lost it.
func (s *Store) ClaimName(id string) error {
	l, err := s.Lock(id)
	if err != nil {
		return err
	}
	defer l.Release()
	cfg, err := s.Load(id)
	if err != nil || s.nameOwner(cfg.Name) == id {
		return err
	}
	return s.reserve(cfg.Name, id)
}

// createLinked makes the file with its content in one step, or fails with
// os.ErrExist.
func createLinked(path, content string) error {
	tmp := path + "." + content + ".tmp"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return err
	}
	defer os.Remove(tmp)
	return os.Link(tmp, path)
}

// NameTaken is ErrExists with the owner's id.
type NameTaken struct{ Name, ID string }

func (e *NameTaken) Error() string {
	return fmt.Sprintf("the name %q is already in use by container %s", e.Name, e.ID)
}

// Is makes errors.Is(err, ErrExists) true.
func (e *NameTaken) Is(target error) bool { return target == ErrExists }

// nameOwner is the id in the name's file, or "" if there is none.
func (s *Store) nameOwner(name string) string {
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
		return ""
	}
	b, err := os.ReadFile(s.Roots.Name(name))
	if err != nil {
		return ""
	}
	return string(b)
}

// Load reads a container's config by its full id.
func (s *Store) Load(id string) (*Config, error) {
	var cfg Config
	if err := jsonfile.Read(s.Roots.Container(id).Config(), &cfg); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, Errorf(ErrNotFound, "no such container %s", id)
		}
		return nil, err
	}
	if cfg.Version > ConfigVersion {
		return nil, fmt.Errorf("container %s was made by a newer skiff: %w", id, ErrVersion)
	}
	if cfg.ID != id {
		return nil, fmt.Errorf("container %s: config.json holds the id %q: %w", id, cfg.ID, ErrInvalid)
	}
	return &cfg, nil
}

// IDs lists the containers' directories in no particular order. One of them may
// be of a container that is half made or half removed.
func (s *Store) IDs() ([]string, error) {
	dir, err := os.Open(s.Roots.Containers())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list containers: %w", err)
	}
	defer dir.Close()
	return idsIn(dir)
}

// idsIn lists the containers that have something in the directory.
func idsIn(dir *os.File) ([]string, error) {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot list containers: %w", err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !IsID(name) }), nil
}

// IsID reports whether s is a full id: 64 lower-case hex digits.
func IsID(s string) bool { return len(s) == 64 && isHex(s) }

func isHex(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return s != ""
}

func noContainer(ref string) error {
	return &MissingError{
		Text:  fmt.Sprintf("no container with name or ID %q found: no such container", ref),
		Thing: "container", Ref: ref,
	}
}

// Find gives the full id for a name, an id, or a prefix of an id that fits one
// container only: ErrNotFound, ErrAmbiguous. A name wins over a prefix.
func (s *Store) Find(ref string) (string, error) {
	ref = strings.TrimPrefix(ref, "/")
	if id := s.nameOwner(ref); id != "" && jsonfile.Exists(s.Roots.Container(id).Config()) {
		return id, nil
	}
	if IsID(ref) && jsonfile.Exists(s.Roots.Container(ref).Config()) {
		return ref, nil
	}
	if !isHex(ref) || len(ref) > 64 {
		return "", noContainer(ref)
	}
	ids, err := s.IDs()
	if err != nil {
		return "", err
	}
	sort.Strings(ids)
	i := sort.SearchStrings(ids, ref)
	if i == len(ids) || !strings.HasPrefix(ids[i], ref) || !jsonfile.Exists(s.Roots.Container(ids[i]).Config()) {
		return "", noContainer(ref)
	}
	if i+1 < len(ids) && strings.HasPrefix(ids[i+1], ref) {
		return "", Errorf(ErrAmbiguous, "more than one container has an ID that begins with %q", ref)
	}
	return ids[i], nil
}

// Update changes a container's config under its lock.
func (s *Store) Update(id string, change func(*Config) error) error {
	l, err := s.Lock(id)
	if err != nil {
		return err
	}
	defer l.Release()
	return s.UpdateLocked(id, change)
}

// UpdateLocked is Update for a caller that holds the container's lock.
func (s *Store) UpdateLocked(id string, change func(*Config) error) error {
	cfg, err := s.Load(id)
	if err != nil {
		return err
	}
	old := cfg.Name
	if err := change(cfg); err != nil {
		return err
	}
	if cfg.Name != old {
		// The name comes before the container in the lock order, but making a
		// name file is one step that waits for nobody.
		if err := s.reserve(cfg.Name, id); err != nil {
			return err
		}
	}
	if err := jsonfile.Write(s.Roots.Container(id).Config(), cfg, jsonfile.Durable); err != nil {
		if cfg.Name != old {
			os.Remove(s.Roots.Name(cfg.Name))
		}
		return err
	}
	if cfg.Name != old {
		os.Remove(s.Roots.Name(old))
	}
	return nil
}

// Lock takes a container's lock; ErrNotFound if it is not there (any more).
func (s *Store) Lock(id string) (*lock.Lock, error) {
	c := s.Roots.Container(id)
	l, err := lock.Take(c.Lock())
	if errors.Is(err, os.ErrNotExist) {
		return nil, Errorf(ErrNotFound, "no such container %s", id)
	}
	if err != nil {
		return nil, err
	}
	if !jsonfile.Exists(c.Config()) {
		l.Release()
		return nil, Errorf(ErrNotFound, "no such container %s", id)
	}
	return l, nil
}
