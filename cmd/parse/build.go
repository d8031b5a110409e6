package parse

import (
	"encoding/csv"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"skiff/rootfs/imagecall"
)

// fields reads name=value words with commas between, quoted as in CSV.
func fields(s string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(s))
	list, err := r.Read()
	if err != nil {
		return nil, errors.New("want name=value words with commas between")
	}
	if _, err := r.Read(); err == nil {
		return nil, errors.New("it has more than one line")
	}
	return list, nil
}

// place reads the words of an --output or a cache.
func place(s string) (imagecall.Place, error) {
	list, err := fields(s)
	if err != nil {
		return imagecall.Place{}, err
	}
	p := imagecall.Place{Attrs: map[string]string{}}
	for _, f := range list {
		k, v, has := strings.Cut(f, "=")
		k = strings.ToLower(strings.TrimSpace(k))
		switch _, twice := p.Attrs[k]; {
		case !has || k == "":
			return p, fmt.Errorf("%q is not name=value", f)
		case k == "type":
			p.Type = strings.ToLower(v)
		case twice:
			return p, fmt.Errorf("%q is given twice", k)
		default:
			p.Attrs[k] = v
		}
	}
	if p.Type == "" {
		return p, errors.New("type is not given")
	}
	return p, nil
}

// absolute makes the paths that these attributes are absolute; - stays.
func absolute(p imagecall.Place, cwd string, names ...string) {
	for _, n := range names {
		if v := p.Attrs[n]; v != "" && v != "-" && !filepath.IsAbs(v) {
			p.Attrs[n] = filepath.Join(cwd, v)
		}
	}
}

// Output reads one --output value: a directory, - for an archive on standard
// output, or type=…,dest=…. Docker: build --output.
func Output(s, cwd string) (imagecall.Place, error) {
	p, err := output(s)
	if err != nil {
		return p, fmt.Errorf("invalid output %q: %w", s, err)
	}
	absolute(p, cwd, "dest")
	return p, nil
}

func output(s string) (imagecall.Place, error) {
	switch {
	case s == "":
		return imagecall.Place{}, errors.New("it is empty")
	case s == "-":
		return imagecall.Place{Type: "tar", Attrs: map[string]string{"dest": "-"}}, nil
	case !strings.Contains(s, "="):
		return imagecall.Place{Type: "local", Attrs: map[string]string{"dest": s}}, nil
	}
	p, err := place(s)
	if err != nil {
		return p, err
	}
	if d, ok := p.Attrs["destination"]; ok {
		p.Attrs["dest"] = d
		delete(p.Attrs, "destination")
	}
	dest := p.Attrs["dest"]
	switch p.Type {
	case "local":
		if dest == "" || dest == "-" {
			return p, errors.New("type=local needs dest=DIRECTORY")
		}
	case "tar", "oci":
		if dest == "" {
			p.Attrs["dest"] = "-"
		}
	case "docker":
	case "image", "registry":
		if dest != "" {
			return p, fmt.Errorf("type=%s has no dest", p.Type)
		}
	default:
		return p, fmt.Errorf("unknown type %q: want local, tar, oci, docker, image or registry", p.Type)
	}
	return p, nil
}

// CacheFrom reads one --cache-from value: names of images, or type=…. Docker:
// build --cache-from.
func CacheFrom(s, cwd string) ([]imagecall.Place, error) {
	return caches("cache source", s, cwd, "src", "registry", "local")
}

// CacheTo reads one --cache-to value. Docker: build --cache-to.
func CacheTo(s, cwd string) ([]imagecall.Place, error) {
	return caches("cache destination", s, cwd, "dest", "registry", "local", "inline")
}

func caches(what, s, cwd, path string, types ...string) ([]imagecall.Place, error) {
	list, err := cache(s, path, types)
	if err != nil {
		return nil, fmt.Errorf("invalid %s %q: %w", what, s, err)
	}
	for _, p := range list {
		absolute(p, cwd, path)
	}
	return list, nil
}

func cache(s, path string, types []string) (out []imagecall.Place, err error) {
	if !strings.Contains(s, "=") {
		names, err := fields(s)
		if err != nil {
			return nil, errors.New("want the name of an image or type=…")
		}
		for _, n := range names {
			if n == "" {
				return nil, errors.New("the name of an image is empty")
			}
			out = append(out, imagecall.Place{Type: "registry", Attrs: map[string]string{"ref": n}})
		}
		return out, nil
	}
	p, err := place(s)
	if err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(types, p.Type):
		return nil, fmt.Errorf("unknown type %q: want %s", p.Type, strings.Join(types, ", "))
	case p.Type == "registry" && p.Attrs["ref"] == "":
		return nil, errors.New("type=registry needs ref=IMAGE")
	case p.Type == "local" && p.Attrs[path] == "":
		return nil, fmt.Errorf("type=local needs %s=DIRECTORY", path)
	case p.Attrs["mode"] != "" && p.Attrs["mode"] != "min" && p.Attrs["mode"] != "max":
		return nil, fmt.Errorf("unknown mode %q: want min or max", p.Attrs["mode"])
	}
	return []imagecall.Place{p}, nil
}

// BuildSecret reads one --secret value: id=…[,src=FILE|,env=VARIABLE][,type=file|env].
// has tells whether the caller has a variable. Docker: build --secret.
func BuildSecret(s, cwd string, has func(string) bool) (imagecall.BuildSecret, error) {
	b, err := buildSecret(s, has)
	if err != nil {
		return b, fmt.Errorf("invalid secret %q: %w", s, err)
	}
	if b.File != "" && !filepath.IsAbs(b.File) {
		b.File = filepath.Join(cwd, b.File)
	}
	return b, nil
}

func buildSecret(s string, has func(string) bool) (b imagecall.BuildSecret, err error) {
	list, err := fields(s)
	if err != nil {
		return b, err
	}
	kind := ""
	for _, f := range list {
		k, v, ok := strings.Cut(f, "=")
		if !ok {
			return b, fmt.Errorf("%q is not name=value", f)
		}
		switch strings.ToLower(k) {
		case "id":
			b.ID = v
		case "src", "source":
			b.File = v
		case "env":
			b.Env = v
		case "type":
			if kind = v; v != "file" && v != "env" {
				return b, fmt.Errorf("unknown type %q: want file or env", v)
			}
		default:
			return b, fmt.Errorf("unknown word %q: want id, src, env or type", k)
		}
	}
	switch {
	case b.File != "" && b.Env != "":
		return b, errors.New("src and env cannot be set together")
	case b.ID == "" && b.File != "":
		b.ID = filepath.Base(b.File)
	case b.ID == "" && b.Env != "":
		b.ID = b.Env
	case b.ID == "":
		return b, errors.New("id is not given")
	}
	if strings.ContainsAny(b.ID, "\x00\n") {
		return b, errors.New("the id contains a control character")
	}
	switch {
	case kind == "env" && b.Env == "" && b.File != "": // src is a variable's name with it
		b.Env, b.File = b.File, ""
	case kind == "file" && b.Env != "":
		return b, errors.New("env does not go with type=file")
	case b.File == "" && b.Env == "" && (kind == "env" || kind == "" && has(b.ID)):
		b.Env = b.ID
	case b.File == "" && b.Env == "":
		b.File = b.ID
	}
	return b, nil
}

// BuildSSH reads one --ssh value: default, or ID[=SOCKET|KEY[,KEY…]]. Docker:
// build --ssh.
func BuildSSH(s, cwd string) (imagecall.BuildSSH, error) {
	id, paths, has := strings.Cut(s, "=")
	b := imagecall.BuildSSH{ID: id}
	if id == "" {
		b.ID = "default"
	}
	if strings.ContainsAny(id, ",\x00\n") {
		return b, fmt.Errorf("invalid ssh %q: want ID[=SOCKET|KEY[,KEY…]]", s)
	}
	if !has {
		return b, nil
	}
	for _, p := range strings.Split(paths, ",") {
		if p == "" {
			return b, fmt.Errorf("invalid ssh %q: the path of a key or socket is empty", s)
		}
		if !filepath.IsAbs(p) {
			p = filepath.Join(cwd, p)
		}
		b.Paths = append(b.Paths, p)
	}
	return b, nil
}

// ociLayout is the beginning of the name of an image in a directory.
const ociLayout = "oci-layout://"

// BuildContext reads one --build-context value, NAME=SOURCE. Docker: build
// --build-context.
func BuildContext(s, cwd string) (name, source string, err error) {
	name, source, has := strings.Cut(s, "=")
	if !has || name == "" || source == "" {
		return "", "", fmt.Errorf("invalid build context %q: want NAME=SOURCE", s)
	}
	if strings.ContainsAny(name, " \t\n\x00") {
		return "", "", fmt.Errorf("invalid build context %q: the name contains a blank", s)
	}
	if dir, ok := strings.CutPrefix(source, ociLayout); ok {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(cwd, dir)
		}
		return strings.ToLower(name), ociLayout + dir, nil
	}
	if !Remote(source) && !strings.HasPrefix(source, "target:") && !filepath.IsAbs(source) {
		source = filepath.Join(cwd, source)
	}
	return strings.ToLower(name), source, nil
}

// Remote says that a build context is no path of this machine: a URL, an address
// of a git repository, or another scheme's. Docker: the argument of build.
func Remote(s string) bool {
	if strings.HasPrefix(s, "git@") || strings.HasPrefix(s, "github.com/") {
		return true
	}
	scheme, rest, ok := strings.Cut(s, "://")
	return ok && rest != "" && scheme != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}

// BuildCall reads --call: a word, and format=json after a comma. Docker: build
// --call.
func BuildCall(s string) (call string, json bool, err error) {
	list, err := fields(s)
	if err != nil {
		return "", false, fmt.Errorf("invalid value %q for --call: %w", s, err)
	}
	for i, f := range list {
		k, v, has := strings.Cut(f, "=")
		switch {
		case i == 0 && !has:
			call = strings.ToLower(f)
		case k == "format" && (v == "json" || v == "text"):
			json = v == "json"
		default:
			return "", false, fmt.Errorf("invalid value %q for --call: unknown word %q", s, f)
		}
	}
	switch call {
	case "lint":
		call = "check"
	case "build":
		call = ""
	case "check", "outline", "targets":
	default:
		return "", false, fmt.Errorf("invalid value %q for --call: want build, check, outline or targets", s)
	}
	return call, json, nil
}
