package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/runtime/hostfacts"
)

// devices makes nodes and says which devices may be used. The standard ones
// (null, zero, full, random, urandom, tty, pts) are the runtime's to add.
func (b *builder) devices() error {
	if b.out.Linux.Resources == nil {
		b.out.Linux.Resources = &specs.LinuxResources{}
	}
	r := b.out.Linux.Resources
	r.Devices = []specs.LinuxDeviceCgroup{{Allow: b.privileged(), Access: "rwm"}}
	if b.privileged() {
		for _, d := range b.in.HostDevices {
			if b.cfg.Extra().Systemd && isConsole(d.Path) {
				continue // systemd would put a login on each
			}
			if b.in.Host.UserNS && slices.Contains(standardNodes(), d.Path) {
				continue // the runtime mounts these itself, and not twice
			}
			b.addNode(d, d.Path)
		}
	}
	for _, d := range b.in.Devices {
		if !filepath.IsAbs(d.Container) {
			return fmt.Errorf("cannot give device %q: its place %q in the container is not absolute", d.Path, d.Container)
		}
		if d.Permissions == "" || strings.Trim(d.Permissions, "rwm") != "" {
			return fmt.Errorf("cannot give device %q: permissions %q are not of r, w and m", d.Path, d.Permissions)
		}
		b.addNode(d.Device, d.Container)
		if d.Type == "p" || b.privileged() {
			continue
		}
		major, minor := d.Major, d.Minor
		r.Devices = append(r.Devices, specs.LinuxDeviceCgroup{
			Allow: true, Type: d.Type, Major: &major, Minor: &minor, Access: d.Permissions,
		})
	}
	return nil
}

// addNode adds a node, the later one winning. In a user namespace nodes cannot
// be made, and the host's are mounted: there the path must be the host's.
func (b *builder) addNode(d hostfacts.Device, target string) {
	if b.in.Host.UserNS {
		b.out.Mounts = append(b.out.Mounts, specs.Mount{
			Destination: target, Type: "bind", Source: d.Path,
			Options: []string{"bind", "rprivate", "nosuid", "noexec"},
		})
		return
	}
	mode, uid, gid := os.FileMode(d.Mode), d.UID, d.GID
	l := b.out.Linux
	l.Devices = slices.DeleteFunc(l.Devices, func(o specs.LinuxDevice) bool { return o.Path == target })
	l.Devices = append(l.Devices, specs.LinuxDevice{
		Path: target, Type: d.Type, Major: d.Major, Minor: d.Minor,
		FileMode: &mode, UID: &uid, GID: &gid,
	})
}

// isConsole says whether a device is one of the machine's virtual terminals.
func isConsole(name string) bool {
	n, ok := strings.CutPrefix(name, "/dev/tty")
	return ok && n != "" && strings.Trim(n, "0123456789") == ""
}

// standardNodes are in every container, OCI runtime specification, config-linux,
// default devices.
func standardNodes() []string {
	return []string{
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console", "/dev/ptmx",
	}
}
