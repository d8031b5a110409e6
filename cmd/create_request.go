package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

// maxProfile bounds a seccomp profile in bytes.
const maxProfile = 1 << 20

// form reads flags into a request. After the first error the rest is skipped,
// so each step reads like the list of flags that it is.
type form struct {
	c   *cli.Context
	req libpod.CreateRequest
	cfg *state.Config
	cwd string
	// warn tells what the user should know although the container is made; note
	// does so without a time and a level, for what scripts look for.
	warn, note func(string)
	err        error
	// docker says that the command goes by that name.
	docker bool
	// proxies are the variables that Docker's config.json has for containers.
	proxies []string
}

// createRequest is what the flags and words of run and create ask for.
func createRequest(app *App, c *cli.Context) (libpod.CreateRequest, error) {
	if err := atLeast(c, 1); err != nil {
		return libpod.CreateRequest{}, err
	}
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "/"
	}
	f := &form{c: c, cfg: &state.Config{CreateCommand: os.Args}, cwd: cwd, warn: app.Log.Warn, docker: app.Docker, proxies: app.dockerConfig().proxyEnv()}
	f.note = func(line string) { fmt.Fprintln(app.Err, line) }
	f.req.Config = f.cfg
	f.req.Image = c.Args().First()
	f.cfg.Image.Given = f.req.Image
	for _, step := range []func(){
		f.conflicts, f.image, f.identity, f.process, f.environment, f.network, f.names, f.memory, f.cpu,
		f.blockIO, f.limits, f.mounts, f.security, f.namespaces, f.health, f.log, f.extras,
	} {
		if step(); f.err != nil {
			return libpod.CreateRequest{}, usage(f.err)
		}
	}
	if creds := c.String("creds"); creds != "" {
		if f.req.Username, f.req.Password, err = userAndPassword(app, creds); err != nil {
			return libpod.CreateRequest{}, err
		}
		f.cfg.CreateCommand = withoutPassword(os.Args, creds)
	}
	return f.req, nil
}

// withoutPassword is a command line to be stored, where who may inspect the
// container may not learn the password.
func withoutPassword(args []string, creds string) []string {
	user, _, given := strings.Cut(creds, ":")
	if !given {
		return args
	}
	out := slices.Clone(args)
	for i, a := range out {
		if a == creds && i > 0 && out[i-1] == "--creds" {
			out[i] = user
		} else if a == "--creds="+creds {
			out[i] = "--creds=" + user
		}
	}
	return out
}

// usage marks err as a mistake in the command line, unless it is about a file.
func usage(err error) error {
	var u *usageError
	if errors.As(err, &u) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrExist) {
		return err
	}
	return &usageError{msg: err.Error(), quiet: true}
}

// conflicts refuses options that cannot be set together.
func (f *form) conflicts() {
	c := f.c
	for _, pair := range [...][2]string{
		{"cpu-period", "cpus"}, {"cpu-quota", "cpus"},
	} {
		if c.IsSet(pair[0]) && c.IsSet(pair[1]) {
			f.err = fmt.Errorf("--%s and --%s cannot be set together", pair[0], pair[1])
			return
		}
	}
	if c.Bool("no-healthcheck") {
		for _, flag := range healthFlags() {
			n := flag.Names()[0]
			if n != "no-healthcheck" && c.IsSet(n) {
				f.err = fmt.Errorf("--no-healthcheck and --%s cannot be set together", n)
				return
			}
		}
	}
}

// word reads a text flag that is set.
func word[T any](f *form, name string, read func(string) (T, error), use func(T)) {
	if f.err != nil || !f.c.IsSet(name) {
		return
	}
	v, err := read(f.c.String(name))
	if err != nil {
		f.err = err
		return
	}
	use(v)
}

// sized is word for a value whose error does not name the flag.
func sized(f *form, name string, use func(int64)) {
	word(f, name, func(s string) (int64, error) {
		n, err := parse.Size(s)
		if err != nil {
			err = fmt.Errorf("invalid value for --%s: %w", name, err)
		}
		return n, err
	}, use)
}

// words reads every value of a list flag.
func values[T any](f *form, name string, read func(string) (T, error), use func(T)) {
	for _, s := range f.c.StringSlice(name) {
		if f.err != nil {
			return
		}
		v, err := read(s)
		if err != nil {
			f.err = err
			return
		}
		use(v)
	}
}

// whole is word for a whole number within bounds.
func whole(f *form, name string, lo, hi int64, use func(int64)) {
	word(f, name, func(s string) (int64, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < lo || n > hi {
			return 0, fmt.Errorf("invalid value %q for --%s: want a whole number from %d to %d", s, name, lo, hi)
		}
		return n, nil
	}, use)
}

// number is whole for a flag of type int.
func (f *form) number(name string, lo, hi int, use func(int)) {
	if f.err != nil || !f.c.IsSet(name) {
		return
	}
	n := f.c.Int(name)
	if n < lo || n > hi {
		f.err = fmt.Errorf("invalid value \"%d\" for --%s: want a whole number from %d to %d", n, name, lo, hi)
		return
	}
	use(n)
}

func (f *form) image() {
	c := f.c
	f.req.Quiet, f.req.Authfile, f.req.CertDir = c.Bool("quiet"), c.String("authfile"), c.String("cert-dir")
	f.req.Replace = c.Bool("replace")
	if path := c.String("cidfile"); path != "" {
		// Whoever removes it with the container has another working directory.
		abs, err := filepath.Abs(path)
		if err != nil {
			f.err = fmt.Errorf("cannot find the container ID file: %w", err)
			return
		}
		f.req.CIDFile = abs
	}
	if c.IsSet("tls-verify") {
		v := c.Bool("tls-verify")
		f.req.TLSVerify = &v
	}
	if f.req.Image == "" {
		f.err = errors.New("the image's name is empty")
		return
	}
	if f.req.Replace && c.String("name") == "" {
		f.err = errors.New("cannot replace a container: --replace needs --name")
		return
	}
	if f.err = accessible(f.req.Authfile); f.err != nil {
		return
	}
	word(f, "pull", parse.Pull, func(s string) { f.req.Pull = s })
	f.platform()
}

// platform reads which platform's image to take.
func (f *form) platform() {
	p, err := platform(f.c, runtime.GOARCH)
	if err == nil && p != "" {
		p, err = parse.Platform(p)
	}
	if f.err == nil {
		f.req.Platform, f.err = p, err
	}
}

func (f *form) identity() {
	// An empty name or directory is none: a script's variable may be empty.
	if f.c.String("name") != "" {
		word(f, "name", parse.Name, func(s string) { f.cfg.Name = s })
	}
	var labels []string
	values(f, "label-file", func(p string) ([]string, error) {
		return readFile(p, func(r io.Reader) ([]string, error) { return parse.LabelFile(p, r) })
	}, func(l []string) { labels = append(labels, l...) })
	if f.err != nil {
		return
	}
	if f.cfg.Labels, f.err = parse.Pairs("label", append(labels, f.c.StringSlice("label")...)); f.err != nil {
		return
	}
	f.cfg.Annotations, f.err = parse.Pairs("annotation", f.c.StringSlice("annotation"))
}

func readFile[T any](path string, read func(io.Reader) (T, error)) (T, error) {
	var none T
	file, err := os.Open(path)
	if err != nil {
		return none, fmt.Errorf("cannot read %q: %w", path, errors.Unwrap(err))
	}
	defer file.Close()
	return read(file)
}

func (f *form) process() {
	c, p, given := f.c, &f.cfg.Process, &f.req.Explicit
	p.Terminal, p.OpenStdin = c.Bool("tty"), c.Bool("interactive")
	p.Cmd = c.Args().Tail()
	p.Init, given.Init = c.Bool("init"), c.IsSet("init")
	for _, g := range c.StringSlice("group-add") {
		p.Groups = append(p.Groups, strings.Split(g, ",")...) // no name has a comma
	}
	f.cfg.AutoRemove = c.Bool("rm")
	p.User, given.User = c.String("user"), c.IsSet("user")
	if given.Entrypoint = c.IsSet("entrypoint"); given.Entrypoint {
		p.Entrypoint = parse.Entrypoint(c.String("entrypoint"))
	}
	if c.String("workdir") != "" {
		word(f, "workdir", parse.Workdir, func(s string) { p.Cwd, given.Workdir = s, true })
	}
	word(f, "stop-signal", parse.Signal, func(s syscall.Signal) { p.StopSignal, given.StopSignal = int(s), true })
	f.number("stop-timeout", -1, 1<<31-1, func(n int) { p.StopTimeout = &n })
	f.number("oom-score-adj", -1000, 1000, func(n int) { p.OOMScoreAdj = &n })
	word(f, "sdnotify", parse.Notify, func(s string) { f.cfg.Notify = s })
	word(f, "restart", parse.Restart, func(r state.RestartPolicy) { f.cfg.Restart = r })
	if f.err == nil && f.cfg.AutoRemove && f.cfg.Restart.Name != "" && f.cfg.Restart.Name != state.RestartNo {
		f.err = errors.New("the options --rm and --restart cannot be used together")
	}
	f.attached()
}

// attached reads --attach: which streams the command takes part in.
func (f *form) attached() {
	p := &f.cfg.Process
	values(f, "attach", parse.Stream, func(s string) {
		switch s {
		case "stdin":
			p.AttachStdin = true
		case "stdout":
			p.AttachStdout = true
		case "stderr":
			p.AttachStderr = true
		}
	})
	if f.c.IsSet("attach") {
		return
	}
	detached := f.c.Bool("detach")
	p.AttachStdin = p.OpenStdin && !detached
	p.AttachStdout, p.AttachStderr = !detached, !detached
}

func (f *form) environment() {
	c, given := f.c, &f.req.Explicit
	environ := os.Environ()
	if c.Bool("env-host") {
		given.EnvHost = environ
	}
	given.UnsetEnv, given.UnsetEnvAll = c.StringSlice("unsetenv"), c.Bool("unsetenv-all")
	env := &f.cfg.Process.Env
	*env = append(*env, f.proxies...)
	values(f, "env-file", func(p string) ([]string, error) {
		return readFile(p, func(r io.Reader) ([]string, error) { return parse.EnvFile(p, r, environ) })
	}, func(kv []string) { *env = append(*env, kv...) })
	values(f, "env", func(s string) ([]string, error) { return parse.Env(s, environ) },
		func(kv []string) { *env = append(*env, kv...) })
}

func (f *form) log() {
	f.req.Explicit.LogDriver = f.c.IsSet("log-driver")
	if f.cfg.Log, f.err = parse.LogDriver(f.c.String("log-driver"), f.c.StringSlice("log-opt")); f.err == nil &&
		f.req.Explicit.LogDriver && f.c.String("log-driver") == "" {
		f.err = errors.New("the log driver's name is empty")
	}
}
