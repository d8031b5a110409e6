package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/rootfs/imagecall"
)

// maxBuildSecret bounds a secret in bytes. BuildKit: MaxSecretSize.
const maxBuildSecret = 500 << 10

// request reads the command line.
func (b *build) request(e *libpod.Engine) error {
	f, err := b.template(e)
	if err != nil {
		return err
	}
	for _, step := range []func(*form){
		b.arguments, b.sources, b.where, b.platforms, b.image, b.dates, b.cache, b.shown, b.entitlements,
	} {
		if step(f); f.err != nil {
			return usage(f.err)
		}
	}
	if creds := b.c.String("creds"); creds != "" {
		if f.req.Username, f.req.Password, err = userAndPassword(b.app, creds); err != nil {
			return err
		}
	}
	if err := pullRetry(b.app, b.c, &f.req); err != nil {
		return err
	}
	b.req.Template = &f.req
	return b.context(f.cwd)
}

// arguments reads build arguments. Those of the command line go before those of a
// file, and all before the proxies of Docker's config.json.
func (b *build) arguments(f *form) {
	args := map[string]string{}
	environ := os.Environ()
	add := func(list []string) {
		for _, kv := range list {
			k, v, _ := strings.Cut(kv, "=")
			args[k] = v
		}
	}
	add(f.proxies)
	values(f, "build-arg-file", func(p string) ([]string, error) {
		return readFile(p, func(r io.Reader) ([]string, error) { return parse.EnvFile(p, r, environ) })
	}, add)
	values(f, "build-arg", func(s string) ([]string, error) {
		if name, _, given := strings.Cut(s, "="); !given && strings.HasSuffix(name, "*") {
			return nil, fmt.Errorf("invalid build argument %q", s)
		}
		list, err := parse.Env(s, environ)
		if err != nil {
			return nil, fmt.Errorf("invalid build argument %q", s)
		}
		return list, nil
	}, add)
	if len(args) > 0 {
		b.req.Build.Args = args
	}
}

// sources reads secrets, agents and further contexts.
func (b *build) sources(f *form) {
	r := &b.req.Build
	has := func(name string) bool { _, ok := os.LookupEnv(name); return ok }
	values(f, "secret", func(s string) (imagecall.BuildSecret, error) {
		secret, err := parse.BuildSecret(s, f.cwd, has)
		if err == nil {
			err = secretThere(secret, has)
		}
		return secret, err
	}, func(s imagecall.BuildSecret) { r.Secrets = append(r.Secrets, s) })
	values(f, "ssh", func(s string) (imagecall.BuildSSH, error) { return parse.BuildSSH(s, f.cwd) },
		func(s imagecall.BuildSSH) { r.SSH = append(r.SSH, s) })
	values(f, "build-context", func(s string) ([2]string, error) {
		name, source, err := parse.BuildContext(s, f.cwd)
		if err == nil && strings.HasPrefix(source, "/") {
			err = directory(source)
		}
		return [2]string{name, source}, err
	}, func(kv [2]string) {
		if r.Contexts == nil {
			r.Contexts = map[string]string{}
		}
		r.Contexts[kv[0]] = kv[1]
	})
}

// secretThere refuses a secret that a RUN would miss.
func secretThere(s imagecall.BuildSecret, has func(string) bool) error {
	if s.Env != "" {
		if !has(s.Env) {
			return fmt.Errorf("cannot use secret %q: there is no variable %q", s.ID, s.Env)
		}
		return nil
	}
	st, err := os.Stat(s.File)
	switch {
	case err != nil:
		return fmt.Errorf("cannot use secret %q: %w", s.ID, err)
	case st.IsDir():
		return fmt.Errorf("cannot use secret %q: %q is a directory", s.ID, s.File)
	case st.Size() > maxBuildSecret:
		return fmt.Errorf("cannot use secret %q: %q is larger than %d bytes", s.ID, s.File, maxBuildSecret)
	}
	return nil
}

// where reads where the result goes.
func (b *build) where(f *form) {
	r := &b.req.Build
	values(f, "output", func(s string) (imagecall.Place, error) { return parse.Output(s, f.cwd) },
		func(p imagecall.Place) { r.Outputs = append(r.Outputs, p) })
	if b.c.Bool("push") {
		pushed := false
		for _, o := range r.Outputs {
			if o.Type == "image" {
				o.Attrs["push"], pushed = "true", true
			}
			pushed = pushed || o.Type == "registry"
		}
		if !pushed {
			r.Outputs = append(r.Outputs, imagecall.Place{Type: "registry"})
		}
	}
	if b.c.Bool("load") {
		r.Outputs = append(r.Outputs, imagecall.Place{Type: "docker"})
	}
	stdout := 0
	for _, o := range r.Outputs {
		if o.Attrs["dest"] == "-" {
			stdout++
		}
	}
	switch {
	case f.err != nil:
	case stdout > 1:
		f.err = errors.New("only one result can go to standard output: give the others a dest")
	case stdout == 1 && isTerminal(b.app.Out):
		f.err = errors.New("cannot write the result to a terminal: give a dest, or redirect standard output")
	}
	r.Manifest, r.MetadataFile = b.c.String("manifest"), b.c.String("metadata-file")
	if r.MetadataFile != "" && f.err == nil {
		r.MetadataFile, f.err = f.absolute(r.MetadataFile)
	}
}

func (b *build) platforms(f *form) {
	c, r := b.c, &b.req.Build
	for _, s := range c.StringSlice("platform") {
		for p := range strings.SplitSeq(s, ",") {
			if p = strings.TrimSpace(p); p == "local" {
				p = "linux/" + runtime.GOARCH
			}
			checked, err := parse.Platform(p)
			if err != nil {
				f.err = err
				return
			}
			r.Platform = append(r.Platform, checked)
		}
	}
	if c.String("os")+c.String("arch")+c.String("variant") == "" {
		return
	}
	if len(r.Platform) > 0 {
		f.err = errors.New("--platform option can not be specified with --arch or --os")
		return
	}
	p, err := platform(c, runtime.GOARCH)
	if err == nil {
		p, err = parse.Platform(p)
	}
	r.Platform, f.err = []string{p}, err
}

// image reads what the image is like.
func (b *build) image(f *form) {
	c, r := b.c, &b.req.Build
	r.Tags, r.Target = c.StringSlice("tag"), c.String("target")
	for _, t := range r.Tags {
		if t == "" {
			f.err = errors.New("invalid argument \"\" for \"-t, --tag\" flag: the name of the image is empty")
			return
		}
	}
	if r.Labels, f.err = parse.Pairs("label", c.StringSlice("label")); f.err != nil {
		return
	}
	if c.Bool("identity-label") {
		if r.Labels == nil {
			r.Labels = map[string]string{}
		}
		r.Labels["io.buildah.version"] = libpod.BuildahVersion
	}
	if r.Annotations, f.err = parse.Pairs("annotation", c.StringSlice("annotation")); f.err != nil {
		return
	}
	values(f, "env", func(s string) ([]string, error) { return parse.Env(s, os.Environ()) },
		func(kv []string) { r.Env = append(r.Env, kv...) })
	r.UnsetEnv, r.UnsetLabels = c.StringSlice("unsetenv"), c.StringSlice("unsetlabel")
	r.Format = c.String("format")
	switch {
	case f.err != nil:
	case !oneOf(r.Format, "", "oci", "docker"):
		f.err = fmt.Errorf("unrecognized image type %q: want oci or docker", r.Format)
	case r.Format == "" && b.app.Docker:
		r.Format = "docker"
	}
	r.Squash, r.SquashAll = c.Bool("squash"), c.Bool("squash-all")
	if r.Squash && r.SquashAll {
		f.err = errors.New("cannot specify --squash-all with --squash")
	}
}

// dates reads what the result is dated.
func (b *build) dates(f *form) {
	c, r := b.c, &b.req.Build
	const epoch = "SOURCE_DATE_EPOCH"
	if c.IsSet("timestamp") && c.IsSet("source-date-epoch") {
		f.err = errors.New("--timestamp and --source-date-epoch cannot be set together")
		return
	}
	name, value := "--timestamp", c.String("timestamp")
	if c.IsSet("source-date-epoch") {
		name, value = "--source-date-epoch", c.String("source-date-epoch")
	}
	if value == "" {
		name = epoch
		if value = r.Args[epoch]; value == "" {
			value = os.Getenv(epoch)
		}
	}
	if value == "" {
		return
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		f.err = fmt.Errorf("invalid value %q for %s: want seconds since 1970", value, name)
		return
	}
	r.Timestamp = &n
	if name != "--timestamp" {
		if r.Args == nil {
			r.Args = map[string]string{}
		}
		r.Args[epoch] = value
	}
}

func (b *build) cache(f *form) {
	c, r := b.c, &b.req.Build
	r.NoCache = c.Bool("no-cache")
	for _, s := range c.StringSlice("no-cache-filter") {
		r.NoCacheStages = append(r.NoCacheStages, strings.Split(s, ",")...)
	}
	values(f, "cache-from", func(s string) ([]imagecall.Place, error) { return parse.CacheFrom(s, f.cwd) },
		func(p []imagecall.Place) { r.CacheFrom = append(r.CacheFrom, p...) })
	values(f, "cache-to", func(s string) ([]imagecall.Place, error) { return parse.CacheTo(s, f.cwd) },
		func(p []imagecall.Place) { r.CacheTo = append(r.CacheTo, p...) })
	word(f, "cache-ttl", func(s string) (string, error) {
		if d, err := time.ParseDuration(s); err != nil || d < 0 {
			return "", fmt.Errorf("invalid value %q for --cache-ttl: want a duration such as 24h", s)
		} else if d == 0 { // as in buildah
			r.NoCache = true
			return "", nil
		}
		return s, nil
	}, func(s string) { r.CacheTTL = s })
	r.LogUsage = c.Bool("log-rusage")
	f.number("jobs", 0, 1024, func(n int) { r.Jobs = n })
	layers := c.Bool("layers")
	if !c.IsSet("layers") && !b.app.Docker {
		if v, err := strconv.ParseBool(os.Getenv("BUILDAH_LAYERS")); err == nil {
			layers = v
		}
	}
	if !layers {
		r.NoCache, r.Squash = true, !r.SquashAll
	}
}

// entitlements reads --allow and the options that have one value.
func (b *build) entitlements(f *form) {
	for _, s := range b.c.StringSlice("allow") {
		for word := range strings.SplitSeq(s, ",") {
			kind, _, _ := strings.Cut(word, "=")
			if !oneOf(word, libpod.AllowInsecure, libpod.AllowHostNetwork) && kind != libpod.AllowDevice {
				f.err = fmt.Errorf("invalid value %q for --allow: want %s, %s or %s[=NAME]", word, libpod.AllowInsecure, libpod.AllowHostNetwork, libpod.AllowDevice)
				return
			}
			b.req.Allow = append(b.req.Allow, word)
		}
	}
	for _, one := range []struct {
		name   string
		values []string
	}{
		{"builder", []string{"default"}}, {"isolation", []string{"default", "oci", "rootless"}},
		{"provenance", []string{"false"}}, {"sbom", []string{"false"}},
	} {
		if v := b.c.String(one.name); v != "" && !oneOf(v, one.values...) {
			f.err = fmt.Errorf("cannot use --%s %q: there is only %s", one.name, v, one.values[0])
			return
		}
	}
	if n, given := f.last("network"); given {
		b.req.Build.Network = n
	}
}

func directory(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: errors.Unwrap(err)}
	}
	if !st.IsDir() {
		return fmt.Errorf("context must be a directory: %q", path)
	}
	return nil
}
