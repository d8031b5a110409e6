package resolve

import (
	"fmt"
	"time"

	"skiff/libpod/settings"
	"skiff/runtime/hostfacts"
	"skiff/state"
	"skiff/state/dirs"
)

// Host is what has to be known about the machine; hostfacts.Host knows it. A
// fact is asked for only where the config depends on it.
type Host interface {
	CPUs() int
	Systemd() bool
	Cgroup() hostfacts.Cgroup
}

// Input is everything that a config is completed from but the flags and the
// image.
type Input struct {
	Given Given
	// ImageName is the full name that the image was found by.
	ImageName string
	// Defaults is what containers.conf says.
	Defaults settings.Settings
	Host     Host
	// Rootless says that the engine acts for an ordinary user.
	Rootless bool
	// CgroupManager and Runtime are the global options, empty where not given.
	CgroupManager, Runtime string
	// RuntimeFlags are options for the OCI runtime.
	RuntimeFlags []string
	// Log gives the paths of a container.
	Log func(id string) dirs.Container
	// CIDFile is the file that the id goes to.
	CIDFile string
	// Find gives the config of another container, for container:NAME.
	Find func(ref string) (*state.Config, error)
	// ReadFile reads a profile that Defaults names; nil means that there is none.
	ReadFile func(path string) ([]byte, error)

	// NewID makes ids and names of volumes, Now the time; nil means real ones.
	NewID func() string
	Now   func() time.Time
}

// Complete gives the whole config of a new container. cfg holds what the
// flags said and is not changed; img is nil for a container without image. An
// id and a name are made up where cfg has none.
func Complete(cfg *state.Config, img *state.Image, in Input) (*state.Config, error) {
	out := *cfg
	b := &builder{cfg: &out, in: in, img: state.ImageConfig{}}
	if img != nil {
		b.img = img.Config
		out.Image = state.ImageRef{ID: img.ID, Name: in.ImageName, Given: cfg.Image.Given}
	}
	if b.in.NewID == nil {
		b.in.NewID = ID
	}
	b.identity()
	for _, step := range []func() error{
		b.process, b.environment, b.extras, b.labels, b.namespaces, b.network, b.hostname, b.mounts,
		b.memory, b.cpu, b.limits, b.security, b.health, b.log, b.host,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// builder completes cfg. Its lists may still be the caller's: they are replaced,
// never written to.
type builder struct {
	cfg *state.Config
	img state.ImageConfig
	in  Input
}

func (b *builder) identity() {
	c := b.cfg
	c.Version = state.ConfigVersion
	if c.ID == "" {
		c.ID = b.in.NewID()
	}
	if c.Name == "" {
		c.Name = Name()
	}
	if c.Created.IsZero() {
		now := time.Now
		if b.in.Now != nil {
			now = b.in.Now
		}
		c.Created = now().UTC()
	}
	b.defaultCgroups()
	c.CIDFile = b.in.CIDFile
	if c.Restart.Name == "" {
		c.Restart.Name = state.RestartNo
	}
}

// host is what the whole engine was told.
func (b *builder) host() error {
	c, conf := b.cfg, b.in.Defaults.Engine
	c.CgroupManager = CgroupManager(firstOf(b.in.CgroupManager, conf.CgroupManager), b.in.Host, b.in.Rootless)
	if c.Extra().Cgroups != "" {
		c.CgroupManager = "cgroupfs" // systemd has no cgroup like that to give
	}
	c.Runtime = b.in.Runtime
	return nil
}

// CgroupManager is the one that was asked for, or else the one that suits the
// machine: systemd on cgroup v2, for an ordinary user if theirs can be reached.
func CgroupManager(asked string, h Host, rootless bool) string {
	if asked != "" {
		return asked
	}
	if g := h.Cgroup(); h.Systemd() && g.V2() && (!rootless || len(g.UserManager) > 0) {
		return "systemd"
	}
	return "cgroupfs"
}

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// merged is low with the entries of high above it.
func merged(low, high map[string]string) map[string]string {
	if len(low) == 0 {
		return high
	}
	out := make(map[string]string, len(low)+len(high))
	for _, m := range []map[string]string{low, high} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

func (b *builder) labels() error {
	b.cfg.Labels = merged(b.img.Labels, b.cfg.Labels)
	b.cfg.Annotations = merged(b.in.Defaults.Containers.Annotations, b.cfg.Annotations)
	return nil
}

// conflict is the error for two settings that exclude each other.
func conflict(a, b string) error {
	return invalid("conflicting options: %s and %s", a, b)
}

// invalid is an error that is state.ErrInvalid without saying so.
func invalid(format string, args ...any) error {
	return &invalidError{fmt.Sprintf(format, args...)}
}

type invalidError struct{ msg string }

func (e *invalidError) Error() string { return e.msg }

func (e *invalidError) Is(target error) bool { return target == state.ErrInvalid }
