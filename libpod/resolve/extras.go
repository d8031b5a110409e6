package resolve

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"skiff/state"
)

// seccompLabel is the image label that holds a seccomp profile.
const seccompLabel = "io.containers.seccomp.profile"

// systemdStop is SIGRTMIN+3, which systemd takes for the order to halt
// (systemd(1), "Signals").
const systemdStop = 37

// extras completes what few containers have.
func (b *builder) extras() error {
	c, conf := b.cfg, b.in.Defaults
	x := c.Extra()
	if x.Umask == nil {
		x.Umask = conf.Containers.Umask
	}
	x.Timezone = firstOf(x.Timezone, conf.Containers.TZ)
	if c.Process.Init {
		x.InitPath = firstOf(x.InitPath, conf.Containers.InitPath, conf.Engine.InitPath)
	} else if x.InitPath != "" {
		return invalid("--init-path needs --init")
	}
	x.HooksDirs = conf.Engine.HooksDirs
	if vendors := func(d state.Device) bool { return d.Vendor != "" }; slices.ContainsFunc(c.Devices, vendors) ||
		slices.ContainsFunc(conf.Containers.Devices, vendors) {
		x.VendorDirs = conf.Engine.VendorDirs
	}
	x.HostsFile = firstOf(x.HostsFile, conf.Containers.BaseHostsFile)
	x.NoHosts = x.NoHosts || conf.Containers.NoHosts
	if len(conf.Containers.CgroupConf) > 0 {
		x.CgroupConf = merged(conf.Containers.CgroupConf, x.CgroupConf)
	}
	if err := b.cgroups(x); err != nil {
		return err
	}
	if x.KeepGroups && b.in.Rootless {
		return invalid("cannot keep groups: in an ordinary user's namespace the groups outside are not there")
	}
	if x.NoHosts && len(c.Network.ExtraHosts) > 0 {
		return conflict("--no-hosts", "--add-host")
	}
	b.systemd(&x)
	x.RuntimeFlags = b.runtimeFlags()
	if x.Rootfs != nil {
		c.Image.Given, c.Image.Name = "", ""
	}
	if err := b.required(&x); err != nil {
		return err
	}
	if b.in.Given.SeccompOfImage && c.Security.Seccomp == "" {
		c.Security.Seccomp = b.img.Labels[seccompLabel]
	}
	if !extrasUsed(x) {
		c.Extras = nil
		return nil
	}
	c.Extras = &x
	return nil
}

// runtimeFlags are the OCI runtime's options, those of containers.conf first.
func (b *builder) runtimeFlags() []string {
	name := "skiff"
	if b.in.Runtime != "" {
		name = path.Base(b.in.Runtime)
	}
	return slices.Concat(b.in.Defaults.Engine.RuntimesFlags[name], b.in.RuntimeFlags)
}

// systemd finds out whether the first process is systemd.
func (b *builder) systemd(x *state.Extras) {
	p := &b.cfg.Process
	switch b.in.Given.Systemd {
	case "always":
		x.Systemd = true
	case "", "true":
		x.Systemd = !p.Init && isSystemd(p.Args())
	}
	if !x.Systemd {
		return
	}
	if p.StopSignal == 0 {
		p.StopSignal = systemdStop
	}
	e := env(slices.Clone(p.Env))
	if e.find("container_uuid") < 0 {
		e.add("container_uuid=" + b.cfg.ID[:min(32, len(b.cfg.ID))])
	}
	p.Env = e
}

// isSystemd says whether a command is systemd by its usual names.
func isSystemd(args []string) bool {
	if len(args) == 0 {
		return false
	}
	switch args[0] {
	case "/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init":
		return true
	}
	return path.Base(args[0]) == "systemd"
}

// required turns the names of containers into ids.
func (b *builder) required(x *state.Extras) error {
	refs := x.Requires
	x.Requires = nil
	for _, ref := range refs {
		other, err := b.other("--requires", ref)
		if err != nil {
			return err
		}
		if !slices.Contains(x.Requires, other.ID) {
			x.Requires = append(x.Requires, other.ID)
		}
	}
	return nil
}

// extrasUsed says whether there is anything in x.
func extrasUsed(x state.Extras) bool {
	return x.Umask != nil || x.Timezone != "" || x.Personality != "" || x.InitPath != "" || x.Systemd ||
		x.ShmSizeSystemd != 0 || x.Timeout != 0 || x.RemoveImage || len(x.PreserveFDs) > 0 ||
		x.AddUser || x.PasswdEntry != "" || x.GroupEntry != "" || len(x.HostUsers) > 0 || x.KeepGroups ||
		len(x.ChrootDirs) > 0 || x.NoHostname || x.NoHosts || x.HostsFile != "" || x.PidFile != "" ||
		x.MonitorPidFile != "" || len(x.Requires) > 0 || x.Rootfs != nil || len(x.Secrets) > 0 ||
		len(x.DeviceRules) > 0 || len(x.ProcOptions) > 0 || x.WritableCgroups || x.Cgroups != "" || len(x.CgroupConf) > 0 || x.RdtClass != "" ||
		x.ReadOnlyDev || len(x.Links) > 0 || len(x.HooksDirs) > 0 || len(x.VendorDirs) > 0 || len(x.RuntimeFlags) > 0
}

// proxyNames are the variables that tell programs of a proxy.
func proxyNames() []string {
	return []string{
		"http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
		"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
	}
}

// proxies are the caller's proxy variables, if they are to be passed on.
func (b *builder) proxies() []string {
	return Proxies(b.in.Given, b.in.Defaults.Containers.HTTPProxy)
}

// Proxies are the caller's proxy variables, if they are to be passed on: as is
// usual, where given does not say so.
func Proxies(given Given, usual bool) (out []string) {
	want := usual
	if given.HTTPProxy != nil {
		want = *given.HTTPProxy
	}
	if !want || given.Environ == nil {
		return nil
	}
	for _, kv := range given.Environ() {
		if name, _, _ := strings.Cut(kv, "="); slices.Contains(proxyNames(), name) {
			out = append(out, kv)
		}
	}
	return out
}

// merge adds --env-merge: its values may name variables that are there.
func (e *env) merge(words []string) error {
	for _, kv := range words {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			return invalid("invalid value %q for --env-merge: want NAME=TEXT", kv)
		}
		have := *e
		e.add(name + "=" + os.Expand(value, func(v string) string {
			if i := have.find(v); i >= 0 {
				return strings.TrimPrefix(have[i], v+"=")
			}
			return ""
		}))
	}
	return nil
}

// inherited are the mounts of the containers that --volumes-from names: their
// volumes, bind mounts and tmpfs, those of later containers over earlier ones'.
func (b *builder) inherited() ([]state.Mount, error) {
	var out []state.Mount
	for _, from := range b.in.Given.VolumesFrom {
		other, err := b.other("--volumes-from", from.Container)
		if err != nil {
			return nil, err
		}
		for _, m := range other.Mounts {
			if m.InMemory() {
				continue
			}
			m.MakeSource = false
			m.ReadOnly = m.ReadOnly || from.ReadOnly
			m.NoCopy, m.Anonymous = true, false // it goes with its own container
			if m.Overlay != nil {
				m.Overlay = &state.MountOverlay{} // two cannot write to one layer
			}
			out = slices.DeleteFunc(out, func(o state.Mount) bool { return o.Target == m.Target })
			out = append(out, m)
		}
	}
	return out, nil
}

// imageVolume is the mount for one of the image's volumes.
func (b *builder) imageVolume(target string) (state.Mount, error) {
	switch mode := firstOf(b.in.Given.ImageVolume, b.in.Defaults.Engine.ImageVolumeMode); mode {
	case "", "anonymous", "bind":
		return state.Mount{Type: state.MountVolume, Target: target, Anonymous: true}, nil
	case "tmpfs":
		return state.Mount{Type: state.MountTmpfs, Target: target, Options: []string{"exec"}}, nil
	case "ignore", "nullfs":
		return state.Mount{}, nil
	default:
		return state.Mount{}, fmt.Errorf("cannot use image_volume_mode %q: want anonymous, tmpfs or ignore", mode)
	}
}
