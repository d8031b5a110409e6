package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"skiff/cmd/parse"
)

// maxDockerfile bounds a Dockerfile that the command itself reads, in bytes.
const maxDockerfile = 4 << 20

// context finds the build's context and Dockerfile. Without a context it is the
// directory of the first Dockerfile, as in Podman.
func (b *build) context(cwd string) error {
	r := &b.req.Build
	given := []string{}
	for _, f := range b.c.StringSlice("file") {
		if f != "" {
			given = append(given, f)
		}
	}
	switch n := b.c.NArg(); {
	case n > 1:
		return usagef("accepts at most 1 arg(s), received %d", n)
	case n == 1:
		r.Context = b.c.Args().First()
	default:
		dir, err := contextOf(given, cwd)
		if err != nil {
			return err
		}
		r.Context = dir
	}
	local := false
	switch {
	case r.Context == "-":
		b.input = true
	case r.Context == "" && b.c.NArg() == 1:
		return usagef("the context is empty: want a directory, a URL or -")
	case r.Context == "" || parse.Remote(r.Context):
	default:
		local = true
		if !filepath.IsAbs(r.Context) {
			r.Context = filepath.Join(cwd, r.Context)
		}
		if err := directory(r.Context); err != nil {
			if b.app.Docker && errors.Is(err, os.ErrNotExist) {
				return &dockerError{msg: fmt.Sprintf("unable to prepare context: path %q not found", b.c.Args().First())}
			}
			return err
		}
	}
	if r.IgnoreFile = b.c.String("ignorefile"); r.IgnoreFile != "" {
		if !filepath.IsAbs(r.IgnoreFile) {
			r.IgnoreFile = filepath.Join(cwd, r.IgnoreFile)
		}
		if _, err := os.Stat(r.IgnoreFile); err != nil {
			return fmt.Errorf("cannot read the ignore file: %w", err)
		}
	}
	return b.dockerfile(given, cwd, local)
}

// contextOf is the directory of the first Dockerfile that is a file.
func contextOf(files []string, cwd string) (string, error) {
	for _, f := range files {
		if isURL(f) {
			continue
		}
		if !filepath.IsAbs(f) {
			f = filepath.Join(cwd, f)
		}
		if strings.HasPrefix(f, "/dev/fd/") || strings.HasPrefix(f, "/proc/") { // the shell's <(…)
			return "", nil
		}
		return filepath.Dir(f), nil
	}
	return "", errors.New("no context directory and no Containerfile specified")
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// dockerfile finds the Dockerfile: as it was given, else in the context. What only
// this process can read, and several, go to a file that it makes.
func (b *build) dockerfile(given []string, cwd string, local bool) error {
	r := &b.req.Build
	if len(given) == 0 {
		if local {
			return b.usual()
		}
		return nil
	}
	var whole bool
	for i, f := range given {
		switch {
		case f == "-":
			if b.input {
				return errors.New("cannot read both the context and the Dockerfile from standard input")
			}
			if b.input = len(given) == 1; !b.input {
				whole = true
			}
		case isURL(f):
			if len(given) > 1 {
				return errors.New("cannot read a URL together with other Dockerfiles")
			}
		case !local && r.Context != "" && !filepath.IsAbs(f): // in the context
			if len(given) > 1 {
				return errors.New("several Dockerfiles need a context that is a directory")
			}
		default:
			path, regular, err := b.find(f, cwd)
			if err != nil {
				return err
			}
			given[i], whole = path, whole || !regular
		}
	}
	if r.File = given[0]; len(given) == 1 && !whole {
		return nil
	}
	return b.joined(given)
}

// find looks for a Dockerfile where it was said to be, then in the context.
func (b *build) find(f, cwd string) (path string, regular bool, err error) {
	path = f
	if !filepath.IsAbs(f) {
		path = filepath.Join(cwd, f)
	}
	st, err := os.Stat(path)
	if err != nil && !filepath.IsAbs(f) && b.req.Build.Context != "" {
		path = filepath.Join(b.req.Build.Context, f)
		st, err = os.Stat(path)
	}
	switch {
	case err != nil && b.app.Docker:
		return "", false, &dockerError{msg: fmt.Sprintf("ERROR: failed to solve: failed to read dockerfile: open %s: no such file or directory", oneLine(f))}
	case err != nil:
		return "", false, fmt.Errorf("the specified Containerfile or Dockerfile does not exist, %s: %w", path, errors.Unwrap(err))
	case st.IsDir():
		return "", false, fmt.Errorf("containerfile: %q cannot be path to a directory", path)
	}
	return path, st.Mode().IsRegular(), nil
}

// usual refuses a directory without a Dockerfile before anything is begun.
func (b *build) usual() error {
	dir := b.req.Build.Context
	for _, name := range []string{"Containerfile", "Dockerfile", "dockerfile"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err == nil && !st.IsDir() {
			return nil
		}
	}
	if b.app.Docker {
		return &dockerError{msg: "ERROR: failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory"}
	}
	return fmt.Errorf("no Containerfile or Dockerfile specified or found in context directory, %s: no such file or directory", dir)
}

// joined makes one file of several, in order.
func (b *build) joined(files []string) error {
	out, err := os.CreateTemp("", "Containerfile-")
	if err != nil {
		return fmt.Errorf("cannot copy the Dockerfile: %w", err)
	}
	defer out.Close()
	b.temporary = append(b.temporary, out.Name())
	left := int64(maxDockerfile)
	for _, name := range files {
		in := b.app.In
		if name != "-" {
			if in, err = os.Open(name); err != nil {
				return err
			}
		}
		n, err := io.Copy(out, io.LimitReader(in, left+1))
		if name != "-" {
			in.Close()
		}
		if err == nil && n > left {
			err = fmt.Errorf("it is larger than %d bytes", maxDockerfile)
		}
		if err == nil {
			_, err = out.WriteString("\n")
		}
		if err != nil {
			return fmt.Errorf("cannot read the Dockerfile %q: %w", name, err)
		}
		left -= n
	}
	b.req.Build.File = out.Name()
	return out.Close()
}
