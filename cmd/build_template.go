package cmd

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

// template reads what the containers of RUN are like, the way run and create do.
func (b *build) template(e *libpod.Engine) (*form, error) {
	app, c := b.app, b.c
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "/"
	}
	f := &form{c: c, cfg: &state.Config{}, cwd: cwd, warn: app.Log.Warn, docker: app.Docker, proxies: app.dockerConfig().proxyEnv()}
	f.note = func(line string) { fmt.Fprintln(app.Err, line) }
	f.req.Config = f.cfg
	for _, step := range []func(){f.buildNetwork, f.names, f.memory, f.cpu, f.limits, f.mounts, f.security, f.buildNamespaces, f.buildExtras} {
		if step(); f.err != nil {
			return nil, usage(f.err)
		}
	}
	b.req.Build.Container = containerOf(c)
	f.req.Quiet = c.Bool("quiet")
	f.req.Authfile, f.req.CertDir = c.String("authfile"), c.String("cert-dir")
	if err := accessible(f.req.Authfile); err != nil {
		return nil, err
	}
	if c.IsSet("tls-verify") {
		v := c.Bool("tls-verify")
		f.req.TLSVerify = &v
	}
	if f.pullPolicy(); f.err != nil {
		return nil, usage(f.err)
	}
	if f.req.Pull == "" && e.Settings.Engine.PullPolicy != "" {
		f.req.Pull = e.Settings.Engine.PullPolicy
	}
	return f, nil
}

// containerOf writes down the options that change what a program finds, for the
// cache: one that gave up without a capability may do its work with it. Limits of
// memory and processors are not among them, as in BuildKit.
func containerOf(c *cli.Context) string {
	var list []string
	for _, name := range []string{
		"add-host", "cap-add", "cap-drop", "cgroupns", "device", "dns", "dns-option", "dns-search", "ipc", "no-hosts",
		"pid", "security-opt", "shm-size", "ulimit", "uts", "volume",
	} {
		if c.IsSet(name) {
			list = append(list, fmt.Sprintf("%s=%q", name, fmt.Sprint(c.Value(name))))
		}
	}
	return strings.Join(list, " ")
}

func (f *form) pullPolicy() {
	c := f.c
	always, never := c.Bool("pull-always"), c.Bool("pull-never")
	if always && never || (always || never) && c.IsSet("pull") {
		f.err = errors.New("can only set one of 'pull' or 'pull-always' or 'pull-never'")
		return
	}
	word(f, "pull", parse.Pull, func(s string) { f.req.Pull = s })
	switch {
	case always:
		f.req.Pull = "always"
	case never:
		f.req.Pull = "never"
	}
}

// buildNetwork reads --network: default is no choice, and of several the last
// counts.
func (f *form) buildNetwork() {
	mode, given := f.last("network")
	if !given || mode == "default" || mode == "" {
		return
	}
	if mode == "private" { // buildah's word
		mode = state.ModeBridge
	}
	f.err = parse.Network(&f.cfg.Network, mode)
}

// buildNamespaces reads the namespaces of RUN; container is buildah's word for a
// namespace of its own.
func (f *form) buildNamespaces() {
	for _, kind := range []string{"pid", "ipc", "uts", "userns", "cgroupns"} {
		value := f.c.String(kind)
		if value == "container" {
			value = "private"
		}
		f.namespace(kind, value)
	}
	m := &f.req.IDMap
	m.UIDMap, m.GIDMap = f.c.StringSlice("userns-uid-map"), f.c.StringSlice("userns-gid-map")
	m.SubUID, m.SubGID = f.c.String("userns-uid-map-user"), f.c.String("userns-gid-map-group")
}

func (f *form) buildExtras() {
	var x state.Extras
	f.extraMachine(&x)
	x.NoHosts, x.NoHostname = f.c.Bool("no-hosts"), f.c.Bool("no-hostname")
	if f.err == nil && x.NoHosts && len(f.c.StringSlice("add-host")) > 0 {
		f.err = errors.New("--no-hosts and --add-host cannot be set together")
	}
	if f.err == nil {
		f.completion(&x)
	}
	f.cfg.Process.Env = append(f.cfg.Process.Env, f.proxies...)
	f.cfg.Process.OpenStdin = f.c.Bool("stdin")
	if !reflect.ValueOf(x).IsZero() {
		f.cfg.Extras = &x
	}
}
