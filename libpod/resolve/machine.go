package resolve

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"skiff/libpod/settings"
	"skiff/runtime/hostfacts"
	"skiff/runtime/spec"
	"skiff/state"
)

// minMemory is the smallest memory limit with which a container can start.
// Docker: --memory.
const minMemory = 6 << 20

// Periods of the CPU scheduler that the kernel takes, in microseconds, and the
// smallest quota. See sched-bwc in the kernel's documentation.
const (
	minPeriod = 1000
	maxPeriod = 1000000
	minQuota  = 1000
)

// Limits of --cpus in units of 1e-9. More than the machine has is no limit, as with
// Podman: what is meant for a larger machine runs on a smaller one. The upper bound
// is that of the kernel's configuration, NR_CPUS.
const (
	minCPUs = 1e7
	maxCPUs = 8192 * 1e9
)

// Log defaults: a container's log is bounded.
const (
	defaultLogSize  = 10_000_000
	defaultLogFiles = 3
)

func (b *builder) memory() error {
	r := &b.cfg.Resources
	switch {
	case r.Memory != 0 && r.Memory < minMemory:
		return invalid("the memory limit of %d bytes is too low: the minimum is 6m", r.Memory)
	case r.MemorySwap != 0 && r.Memory == 0 && r.MemorySwap != -1:
		return invalid("--memory-swap needs --memory")
	case r.MemorySwap > 0 && r.MemorySwap < r.Memory:
		return invalid("--memory-swap is memory plus swap and must not be lower than --memory")
	case r.MemoryReservation != 0 && r.MemoryReservation < minMemory:
		return invalid("the memory reservation of %d bytes is too low: the minimum is 6m", r.MemoryReservation)
	case r.Memory > 0 && r.MemoryReservation > r.Memory:
		return invalid("--memory-reservation must not be higher than --memory")
	}
	if r.Memory > 0 && r.MemorySwap == 0 {
		r.MemorySwap = 2 * r.Memory
		if r.MemorySwap < 0 { // more than there can be
			r.MemorySwap = -1
		}
	}
	if r.Memory == 0 {
		r.MemorySwap = 0
	}
	if b.cfg.ShmSize == 0 && !b.in.Given.ShmSize {
		b.cfg.ShmSize = b.in.Defaults.Containers.ShmSize
	}
	if b.cfg.ShmSize == 0 {
		b.cfg.ShmSize = spec.DefaultShmSize
	}
	return nil
}

func (b *builder) cpu() error {
	r := &b.cfg.Resources
	if r.NanoCPUs > 0 && (r.CPUPeriod > 0 || r.CPUQuota != 0) {
		return conflict("--cpus", "--cpu-period or --cpu-quota")
	}
	if r.NanoCPUs > 0 && (r.NanoCPUs < minCPUs || r.NanoCPUs > maxCPUs) {
		return invalid("invalid number of CPUs %s: want 0.01 to %d", strconv.FormatFloat(float64(r.NanoCPUs)/1e9, 'f', -1, 64), int64(maxCPUs/1e9))
	}
	if r.CPUPeriod != 0 && (r.CPUPeriod < minPeriod || r.CPUPeriod > maxPeriod) {
		return invalid("invalid CPU period %d: want %d to %d microseconds", r.CPUPeriod, minPeriod, maxPeriod)
	}
	if r.CPUQuota > 0 && r.CPUQuota < minQuota {
		return invalid("invalid CPU quota %d: the minimum is %d microseconds", r.CPUQuota, minQuota)
	}
	if r.CPUShares == 1 {
		r.CPUShares = 2 // the kernel's minimum
	}
	if s := r.CpusetCpus; s != "" {
		if n := b.in.Host.CPUs(); n > 0 && highest(s) >= n {
			return invalid("cannot use the CPUs %q: there are only 0 to %d here", s, n-1)
		}
	}
	return nil
}

// highest is the largest number in a list such as 0-2,7.
func highest(set string) int {
	top := 0
	for _, f := range strings.FieldsFunc(set, func(r rune) bool { return r == ',' || r == '-' }) {
		if n, err := strconv.Atoi(f); err == nil {
			top = max(top, n)
		}
	}
	return top
}

// limits completes ulimits, sysctls, devices and the number of tasks.
func (b *builder) limits() error {
	c, conf := b.cfg, b.in.Defaults.Containers
	if c.Resources.PidsLimit == 0 && conf.PidsLimit != nil && b.limitsPids() {
		if c.Resources.PidsLimit = *conf.PidsLimit; *conf.PidsLimit == 0 {
			c.Resources.PidsLimit = -1
		}
	}
	ulimits := slices.Clone(c.Ulimits)
	for _, u := range conf.Ulimits {
		if !slices.ContainsFunc(ulimits, func(o state.Ulimit) bool { return o.Name == u.Name }) {
			ulimits = append(ulimits, u)
		}
	}
	c.Ulimits = ulimits
	c.Sysctls = merged(b.sysctlDefaults(), c.Sysctls)
	devices := slices.Clone(c.Devices)
	for _, d := range conf.Devices {
		if !slices.ContainsFunc(devices, func(o state.Device) bool { return o.Container == d.Container && o.Vendor == d.Vendor }) {
			devices = append(devices, d)
		}
	}
	c.Devices = devices
	return nil
}

// limitsPids says whether a default limit can be had: nobody asked for it, so an
// ordinary user without the controller, and a container without a cgroup, does
// without.
func (b *builder) limitsPids() bool {
	if b.cfg.Extra().Cgroups == state.CgroupsDisabled {
		return false
	}
	if !b.in.Rootless {
		return true
	}
	g := b.in.Host.Cgroup()
	return g.Has("pids") || g.By("systemd").Has("pids")
}

// sysctlDefaults are containers.conf's, without those of a network that the
// container shares: they are not the container's to set.
func (b *builder) sysctlDefaults() map[string]string {
	out := b.in.Defaults.Containers.Sysctls
	if mode := b.cfg.Network.Mode; mode != state.ModeHost && !strings.HasPrefix(mode, state.ModeContainer) && !strings.HasPrefix(mode, state.ModePath) {
		return out
	}
	out = maps.Clone(out)
	maps.DeleteFunc(out, func(name, _ string) bool { return strings.HasPrefix(name, "net.") })
	return out
}

// mounts are the user's, then containers.conf's and the image's volumes where
// the user mounts nothing at the same place.
func (b *builder) mounts() error {
	c, conf := b.cfg, b.in.Defaults.Containers
	var out []state.Mount
	at := map[string]bool{}
	for _, m := range c.Mounts {
		if at[m.Target] {
			return invalid("%s: duplicate mount destination", m.Target)
		}
		at[m.Target] = true
		out = append(out, m)
	}
	low, err := b.inherited()
	if err != nil {
		return err
	}
	low = append(append(low, conf.Mounts...), conf.Volumes...)
	for _, v := range b.img.Volumes {
		m, err := b.imageVolume(path.Clean("/" + v))
		if err != nil {
			return err
		}
		if m.Type != "" {
			low = append(low, m)
		}
	}
	for _, m := range low {
		if !at[m.Target] && m.Target != "/" {
			at[m.Target] = true
			out = append(out, m)
		}
	}
	for i := range out {
		if out[i].Type == state.MountVolume && out[i].Source == "" {
			out[i].Source, out[i].Anonymous = b.in.NewID(), true
		}
	}
	c.Mounts = out
	b.readOnly()
	return nil
}

// readOnly says what of a read-only container stays writable. Docker's --read-only
// leaves /dev and nothing else. containers.conf's read_only is Podman's, and so
// leaves what Podman does, as --read-only-tmpfs asks for; where that is turned
// off, /dev is read-only too.
func (b *builder) readOnly() {
	c, given := b.cfg, b.in.Given
	if !given.ReadOnly && b.in.Defaults.Containers.ReadOnly {
		c.ReadOnly, c.ReadOnlyTmpfs = true, c.ReadOnlyTmpfs || !given.ReadOnlyTmpfs
	}
	if c.ReadOnly && given.ReadOnlyTmpfs && !c.ReadOnlyTmpfs {
		x := c.Extra()
		x.ReadOnlyDev = true
		c.Extras = &x
	}
	c.ReadOnlyTmpfs = c.ReadOnly && c.ReadOnlyTmpfs
}

func (b *builder) security() error {
	sec, conf := &b.cfg.Security, b.in.Defaults.Containers
	sec.Privileged = sec.Privileged || conf.Privileged
	var err error
	if conf.DefaultCapabilities == nil || sec.Privileged {
		sec.Capabilities, err = spec.Capabilities(sec.CapAdd, sec.CapDrop, sec.Privileged)
	} else {
		sec.Capabilities, err = capabilities(conf, sec.CapAdd, sec.CapDrop)
	}
	if err != nil {
		return invalid("%v", err)
	}
	if sec.Capabilities == nil {
		sec.Capabilities = []string{}
	}
	if sec.AppArmor == "" && !sec.Privileged {
		sec.AppArmor = conf.AppArmorProfile
	}
	if sec.Seccomp == "" && conf.SeccompProfile != "" && !sec.Privileged && !slices.ContainsFunc(sec.Options, isSeccomp) {
		return b.defaultSeccomp(conf.SeccompProfile)
	}
	return nil
}

func isSeccomp(opt string) bool {
	return strings.HasPrefix(opt, "seccomp=") || strings.HasPrefix(opt, "seccomp:")
}

// capabilities is spec.Capabilities above containers.conf's default set.
func capabilities(conf settings.Containers, add, drop []string) ([]string, error) {
	if slices.Contains(drop, "ALL") || slices.Contains(add, "ALL") {
		return spec.Capabilities(add, drop, false)
	}
	missing := []string{} // of skiff's own default set
	for _, c := range spec.DefaultCapabilities() {
		if !slices.Contains(conf.DefaultCapabilities, c) && !slices.Contains(add, c) {
			missing = append(missing, c)
		}
	}
	for _, c := range conf.DefaultCapabilities {
		if c == "ALL" {
			return spec.Capabilities(hostfacts.AllCapabilities(), nil, false)
		}
		if !slices.Contains(drop, c) {
			add = append(slices.Clip(add), c)
		}
	}
	return spec.Capabilities(add, append(missing, drop...), false)
}

func (b *builder) defaultSeccomp(name string) error {
	sec := &b.cfg.Security
	if name == "unconfined" {
		sec.Seccomp = name
		return nil
	}
	if b.in.ReadFile == nil {
		return nil
	}
	profile, err := b.in.ReadFile(name)
	if err != nil {
		return fmt.Errorf("cannot read containers.conf's seccomp profile: %w", err)
	}
	sec.Seccomp, sec.SeccompPath = string(profile), name
	return nil
}

func (b *builder) log() error {
	l, conf := &b.cfg.Log, b.in.Defaults.Containers
	if l.Driver == "" {
		l.Driver = firstOf(conf.LogDriver, state.LogJSONFile)
	}
	if l.MaxSize == 0 {
		l.MaxSize = conf.LogSizeMax
	}
	if l.MaxSize == 0 {
		l.MaxSize = defaultLogSize
	}
	if l.MaxFiles == 0 {
		l.MaxFiles = defaultLogFiles
	}
	switch l.Driver {
	case state.LogJSONFile, state.LogK8sFile:
		if l.Path == "" {
			l.Path = b.in.Log(b.cfg.ID).Log()
		}
	default:
		l.Path, l.MaxSize, l.MaxFiles = "", 0, 0
	}
	if l.Driver == state.LogPassthrough && b.cfg.Process.Terminal {
		return conflict("--tty", "--log-driver passthrough")
	}
	return b.logTag()
}

// logTag replaces Docker's words in a tag.
func (b *builder) logTag() error {
	l, c := &b.cfg.Log, b.cfg
	l.Tag = firstOf(l.Tag, b.in.Defaults.Containers.LogTag)
	if !strings.Contains(l.Tag, "{{") {
		return nil
	}
	tag := l.Tag
	for _, w := range [][2]string{
		{"ID", c.ID[:min(12, len(c.ID))]}, {"FullID", c.ID}, {"Name", c.Name}, {"ImageName", c.Image.Name},
		{"ImageID", c.Image.ID[:min(12, len(c.Image.ID))]}, {"ImageFullID", c.Image.ID}, {"DaemonName", "skiff"},
	} {
		for _, form := range []string{"{{." + w[0] + "}}", "{{ ." + w[0] + " }}"} {
			tag = strings.ReplaceAll(tag, form, w[1])
		}
	}
	if strings.Contains(tag, "{{") {
		return invalid("invalid log tag %q: want words such as {{.Name}}, {{.ID}} or {{.ImageName}}", l.Tag)
	}
	l.Tag = tag
	return nil
}
