package spec

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/runtime/hostfacts"
	"skiff/state"
	"skiff/state/dirs"
)

// ErrNoCommand means that neither the image nor the user says what to run.
var ErrNoCommand = errors.New("no command is given and the image has none")

// DefaultPath is the PATH of containers whose image sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// process describes the first process.
func (b *builder) process() error {
	p, cfg := b.out.Process, b.cfg.Process
	p.Args = cfg.Args()
	if len(p.Args) == 0 || p.Args[0] == "" && b.cfg.Extra().Rootfs == nil {
		return ErrNoCommand
	}
	if cfg.Init {
		if b.in.InitPath == "" {
			return errors.New("cannot use --init: there is no init program on this machine")
		}
		p.Args = append([]string{b.initTarget(), "--"}, p.Args...)
	}
	p.Terminal = cfg.Terminal
	hostname := b.hostname()
	if b.cfg.Extra().Build != nil {
		hostname = "" // its variables are the Dockerfile's; only what exec(3) and shells need is added
	}
	p.Env = Environment(cfg.Env, hostname, b.in.User.Home, cfg.Terminal)
	if b.in.Notify != "" {
		p.Env = append(p.Env, "NOTIFY_SOCKET="+notifyTarget+"/"+dirs.NotifySocket)
	}
	p.Cwd = cfg.Cwd
	if p.Cwd == "" {
		p.Cwd = "/"
	}
	p.User = specs.User{UID: b.in.User.UID, GID: b.in.User.GID, AdditionalGids: b.in.User.Groups}
	caps, err := b.capabilities()
	if err != nil {
		return err
	}
	p.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}
	p.NoNewPrivileges = b.cfg.Security.NoNewPrivileges
	p.OOMScoreAdj = b.oomScoreAdj(cfg.OOMScoreAdj)
	p.Rlimits, err = rlimits(b.cfg.Ulimits, b.in.Host)
	return err
}

// Environment completes a container's environment with what every process in
// it can rely on: PATH, HOSTNAME, HOME, and TERM where there is a terminal.
func Environment(env []string, hostname, home string, terminal bool) []string {
	var out []string
	add := func(name, value string) {
		if value != "" && !slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") }) {
			out = append(out, name+"="+value)
		}
	}
	add("PATH", DefaultPath)
	add("HOSTNAME", hostname)
	if terminal {
		add("TERM", "xterm")
	}
	out = append(out, env...)
	add("HOME", home)
	return out
}

// oomScoreAdj keeps the value within what may be set: lowering it takes
// CAP_SYS_RESOURCE.
func (b *builder) oomScoreAdj(want *int) *int {
	if want == nil {
		return nil
	}
	if least := b.in.Host.OOMScoreAdj; *want < least && !b.in.Host.CanRaise {
		b.in.Warn(fmt.Sprintf("the OOM score adjustment %d cannot be set here, using %d", *want, least))
		return &least
	}
	return want
}

// rlimits are the user's, at most what the host lets skiff set.
func rlimits(ulimits []state.Ulimit, host hostfacts.Facts) ([]specs.POSIXRlimit, error) {
	var out []specs.POSIXRlimit
	for _, u := range ulimits {
		name := strings.ToLower(u.Name)
		if !slices.Contains(hostfacts.RlimitNames(), name) {
			return nil, fmt.Errorf("cannot set ulimit %q: there is no such limit", u.Name)
		}
		soft, hard := unlimited(u.Soft), unlimited(u.Hard)
		if have, ok := host.Rlimits[name]; ok && !host.CanRaise {
			hard = min(hard, have.Hard)
		}
		out = append(out, specs.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(name),
			Soft: min(soft, hard),
			Hard: hard,
		})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Type < out[j].Type })
	return out, nil
}

func unlimited(v int64) uint64 {
	if v < 0 {
		return hostfacts.Infinity
	}
	return uint64(v)
}
