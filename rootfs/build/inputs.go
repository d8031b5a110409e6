package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"skiff/rootfs/build/progress"
	"skiff/rootfs/build/source"
	"skiff/rootfs/safepath"
)

// maxDockerfile bounds a Dockerfile in bytes.
const maxDockerfile = 16 << 20

// inputs are what a build reads: the Dockerfile and the contexts.
type inputs struct {
	b              *Builder
	dockerfile     []byte
	dockerfileName string
	// dir is the main context's directory, empty for none.
	dir string

	main  func() (*source.Tree, error)
	mu    sync.Mutex
	named map[string]func() (*source.Tree, error)
}

// openInputs finds the context and reads the Dockerfile. Files of the context are
// not looked at before a step asks for them.
func (b *Builder) openInputs(ctx context.Context) error {
	in := &inputs{b: b, named: map[string]func() (*source.Tree, error){}}
	b.inputs = in
	if err := in.openContext(ctx); err != nil {
		return err
	}
	err := b.vertex(progress.Vertex{ID: key("definition"), Name: "[internal] load build definition from " + in.definition()}, func(v vertical) error {
		if err := in.readDockerfile(ctx); err != nil {
			return err
		}
		n := int64(len(in.dockerfile))
		v.Status("transferring dockerfile", n, n)
		return nil
	})
	if err != nil {
		return err
	}
	in.main = sync.OnceValues(func() (*source.Tree, error) {
		return in.open(in.dir, "build context", in.dockerfileName, b.opt.IgnoreFile)
	})
	return nil
}

// openContext makes a directory of what the context is.
func (in *inputs) openContext(ctx context.Context) (err error) {
	opt := in.b.opt
	switch {
	case opt.Context == "":
		return nil
	case opt.Context == "-":
		in.dir, err = in.fetched(ctx, "-")
	case isRemote(opt.Context):
		in.dir, err = in.fetched(ctx, opt.Context)
	default:
		in.dir = opt.Context
		var st os.FileInfo
		if st, err = os.Stat(in.dir); err == nil && !st.IsDir() {
			err = fmt.Errorf("context must be a directory: %s", in.dir)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot use the build context: %w", err)
	}
	return nil
}

// fetched brings a remote context, or one on standard input, into a directory of
// its own.
func (in *inputs) fetched(ctx context.Context, from string) (string, error) {
	dir, err := in.scratch()
	if err != nil {
		return "", err
	}
	return dir, errors.New("not yet")
}

// scratch makes a directory that goes with the build.
func (in *inputs) scratch() (string, error) {
	w, err := in.b.cache.Begin()
	if err != nil {
		return "", err
	}
	in.b.later(func() { w.Discard() })
	return w.Upper, nil
}

// definition names the Dockerfile for the display.
func (in *inputs) definition() string {
	switch f := in.b.opt.File; {
	case f == "":
		return "Dockerfile"
	case f == "-":
		return "standard input"
	default:
		return filepath.Base(f)
	}
}

// readDockerfile reads the file that -f names, or the context's own.
func (in *inputs) readDockerfile(ctx context.Context) (err error) {
	opt := in.b.opt
	switch {
	case in.dockerfile != nil && opt.File == "":
		return nil
	case opt.File == "-":
		in.dockerfileName = "Dockerfile"
		in.dockerfile, err = io.ReadAll(io.LimitReader(in.b.In, maxDockerfile+1))
	case isRemote(opt.File):
		in.dockerfileName = opt.File
		err = errors.New("not yet")
	default:
		in.dockerfile, err = in.readFile()
	}
	switch {
	case err != nil:
		return fmt.Errorf("cannot read the Dockerfile: %w", err)
	case len(in.dockerfile) > maxDockerfile:
		return fmt.Errorf("cannot use the Dockerfile: it is larger than %d MiB", maxDockerfile>>20)
	case len(strings.TrimSpace(string(in.dockerfile))) == 0:
		return fmt.Errorf("cannot use the Dockerfile: the file %s is empty", in.dockerfileName)
	}
	return nil
}

// readFile reads the Dockerfile from the disk. One named by a relative path is
// looked for below the context, too, in which no link leads out of it if it was
// fetched.
func (in *inputs) readFile() ([]byte, error) {
	opt := in.b.opt
	names := []string{"Containerfile", "Dockerfile"}
	if opt.File != "" {
		names = []string{opt.File}
	}
	for _, name := range names {
		data, err := readContextFile(in.dir, name, in.dir != opt.Context)
		if err == nil {
			in.dockerfileName = name
			return data, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no %s in %s: name one with --file", strings.Join(names, " or "), in.dir)
}

// open opens a directory as a tree, without what its ignore file names.
func (in *inputs) open(dir, name, dockerfile, ignoreFile string) (*source.Tree, error) {
	if dir == "" {
		return nil, errors.New("there is no build context: give a directory")
	}
	d := source.ContextDigests(in.b.Request.Roots, dir)
	t, err := source.Directory(dir, name, nil, d)
	if err != nil {
		return nil, err
	}
	in.b.later(func() {
		t.Close()
		d.Save() // without it the next build reads more, that is all
	})
	ignored, err := source.IgnoreFile(t.Root, dockerfile, ignoreFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the ignore file: %w", err)
	}
	return t, t.Ignore(ignored)
}

// mainTree opens the main context.
func (in *inputs) mainTree() (*source.Tree, error) { return in.main() }

// namedTree opens a directory, archive or repository given with --build-context.
func (in *inputs) namedTree(ctx context.Context, name, given string) (*source.Tree, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	open := in.named[name]
	if open == nil {
		open = sync.OnceValues(func() (*source.Tree, error) {
			dir := given
			if isRemote(given) {
				var err error
				if dir, err = in.fetched(ctx, given); err != nil {
					return nil, fmt.Errorf("cannot use the build context %q: %w", name, err)
				}
			}
			return in.open(dir, "context "+name, "", "")
		})
		in.named[name] = open
	}
	return open()
}

// readContextFile reads a Dockerfile. One of a directory of the user's may be
// anywhere; from one that was fetched no link leads out.
func readContextFile(dir, name string, fetched bool) ([]byte, error) {
	if !fetched {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return readBounded(os.Open(name))
	}
	root, err := safepath.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return readBounded(root.OpenFile(name))
}

func readBounded(f *os.File, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, fmt.Errorf("%s is a directory", f.Name())
	}
	return io.ReadAll(io.LimitReader(f, maxDockerfile+1))
}
