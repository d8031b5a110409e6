package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"skiff/rootfs/build/fetch"
	"skiff/rootfs/build/progress"
	"skiff/rootfs/build/source"
	"skiff/rootfs/build/tarball"
)

// maxDockerfile bounds a Dockerfile in bytes.
const maxDockerfile = 16 << 20

// inputs are what a build reads: the Dockerfile and the contexts.
type inputs struct {
	b              *Builder
	dockerfile     []byte
	dockerfileName string
	// main opens the main context, when the first step asks for it.
	main func() (*source.Tree, error)
	// got is a main context that had to be brought here; nil for a directory.
	got *source.Tree

	mu    sync.Mutex
	named map[string]func() (*source.Tree, error)
}

// openInputs finds the context and reads the Dockerfile. Files of the context are
// not looked at before a step asks for them.
func (b *Builder) openInputs(ctx context.Context) (err error) {
	in := &inputs{b: b, named: map[string]func() (*source.Tree, error){}}
	b.inputs = in
	if err := in.openContext(ctx); err != nil {
		return fmt.Errorf("cannot use the build context: %w", err)
	}
	err = b.vertex(progress.Vertex{ID: key("definition"), Name: "[internal] load build definition from " + in.definition()}, func(v vertical) error {
		if err := in.readDockerfile(ctx); err != nil {
			return err
		}
		n := int64(len(in.dockerfile))
		v.Status("transferring dockerfile", n, n)
		return nil
	})
	in.main = sync.OnceValues(in.openMain)
	return err
}

// openContext looks at what the context is, and brings it here if it is elsewhere.
func (in *inputs) openContext(ctx context.Context) (err error) {
	where := in.b.opt.Context
	if where == "" {
		return nil
	}
	if where == "-" {
		return in.fromStream(ctx)
	}
	src, err := fetch.Parse(where, true, in.fetchOptions())
	if err != nil {
		return err
	}
	if src != nil {
		return in.fetch(ctx, src, where)
	}
	st, err := os.Stat(where)
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("context must be a directory: %s", where)
	}
	return err
}

// fetch brings the main context here, which may turn out to be a Dockerfile.
func (in *inputs) fetch(ctx context.Context, src *fetch.Source, where string) error {
	in.b.later(src.Close)
	return in.b.vertex(progress.Vertex{ID: key("context", where), Name: "[internal] load remote build context"}, func(vertical) error {
		t, file, err := src.Context(ctx)
		if err != nil {
			return err
		}
		in.got = t
		if file != "" {
			in.dockerfileName = file
			in.dockerfile, err = t.Root.ReadFile(file, maxDockerfile+1)
		}
		return err
	})
}

// fromStream takes the main context from standard input: an archive, or a
// Dockerfile alone.
func (in *inputs) fromStream(ctx context.Context) error {
	return in.b.vertex(progress.Vertex{ID: key("context", "-"), Name: "[internal] load build context from standard input"}, func(vertical) error {
		stream := bufio.NewReaderSize(in.b.In, sniffed)
		head, err := stream.Peek(sniffed)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !tarball.Sniff(head) {
			return in.alone(stream)
		}
		t, done, err := source.Archive(ctx, stream, "build context", in.b.scratch)
		if err != nil {
			return err
		}
		in.b.later(done)
		in.got = t
		return nil
	})
}

// sniffed is how much of a stream tells what it is: an archive's first block.
const sniffed = 512

// alone takes a Dockerfile from standard input, with a context without files.
func (in *inputs) alone(stream io.Reader) (err error) {
	if in.b.opt.File != "" {
		return tarball.ErrNoArchive // then it can only have been one
	}
	if in.dockerfile, err = io.ReadAll(io.LimitReader(stream, maxDockerfile+1)); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(in.b.scratch, "context-")
	if err != nil {
		return err
	}
	in.dockerfileName = "Dockerfile"
	in.got, err = source.Directory(dir, "build context", nil, nil)
	if err == nil {
		in.b.later(func() { in.got.Close() })
	}
	return err
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
	switch opt := in.b.opt; {
	case in.dockerfile != nil && opt.File == "":
	case opt.File == "-":
		in.dockerfileName = "Dockerfile"
		in.dockerfile, err = io.ReadAll(io.LimitReader(in.b.In, maxDockerfile+1))
	case strings.HasPrefix(opt.File, "http://"), strings.HasPrefix(opt.File, "https://"):
		in.dockerfileName = opt.File
		in.dockerfile, err = in.remoteFile(ctx, opt.File)
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

func (in *inputs) remoteFile(ctx context.Context, url string) ([]byte, error) {
	src, err := fetch.Parse(url, false, in.fetchOptions())
	if err != nil {
		return nil, err
	}
	defer src.Close()
	t, names, err := src.Open(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := t.Select(source.Selection{Sources: names})
	if err != nil || len(entries) != 1 {
		return nil, errors.Join(err, fmt.Errorf("%s is not one file", url))
	}
	return t.Root.ReadFile(entries[0].Path, maxDockerfile+1)
}

// readFile reads the Dockerfile from the disk.
func (in *inputs) readFile() ([]byte, error) {
	opt := in.b.opt
	names := []string{"Containerfile", "Dockerfile"}
	if opt.File != "" {
		names = []string{opt.File}
	}
	for _, name := range names {
		data, err := in.readNamed(name)
		if err == nil {
			in.dockerfileName = name
			return data, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	where := opt.Context
	if where == "" {
		where = "the build, which has no context"
	}
	return nil, fmt.Errorf("no %s in %s: name one with --file", strings.Join(names, " or "), where)
}

// readNamed reads a file of the user's wherever that is; of a context that came
// from elsewhere, no link leads out.
func (in *inputs) readNamed(name string) ([]byte, error) {
	if in.got != nil && !filepath.IsAbs(name) {
		return in.got.Root.ReadFile(name, maxDockerfile+1)
	}
	if !filepath.IsAbs(name) {
		if in.b.opt.Context == "" {
			return nil, os.ErrNotExist
		}
		name = filepath.Join(in.b.opt.Context, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, fmt.Errorf("%s is a directory", name)
	}
	return io.ReadAll(io.LimitReader(f, maxDockerfile+1))
}

// openMain opens the main context without what its ignore file names.
func (in *inputs) openMain() (*source.Tree, error) {
	t := in.got
	if t == nil {
		var err error
		if t, err = in.directory(in.b.opt.Context, "build context"); err != nil {
			return nil, err
		}
	}
	return t, ignore(t, in.dockerfileName, in.b.opt.IgnoreFile)
}

func ignore(t *source.Tree, dockerfile, file string) error {
	ignored, err := source.IgnoreFile(t.Root, dockerfile, file)
	if err != nil {
		return fmt.Errorf("cannot read the ignore file: %w", err)
	}
	return t.Ignore(ignored)
}

// directory opens a directory of the host.
func (in *inputs) directory(dir, name string) (*source.Tree, error) {
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
	return t, nil
}

// namedTree opens a directory, archive or repository given with --build-context.
func (in *inputs) namedTree(ctx context.Context, name, given string) (*source.Tree, error) {
	in.mu.Lock()
	open := in.named[name]
	if open == nil {
		open = sync.OnceValues(func() (*source.Tree, error) { return in.openNamed(ctx, name, given) })
		in.named[name] = open
	}
	in.mu.Unlock()
	t, err := open()
	if err != nil {
		return nil, fmt.Errorf("cannot use the build context %q: %w", name, err)
	}
	return t, nil
}

func (in *inputs) openNamed(ctx context.Context, name, given string) (*source.Tree, error) {
	src, err := fetch.Parse(given, true, in.fetchOptions())
	if err != nil {
		return nil, err
	}
	if src != nil {
		in.b.later(src.Close)
		t, _, err := src.Context(ctx)
		return t, err
	}
	t, err := in.directory(given, "context "+name)
	if err != nil {
		return nil, err
	}
	return t, ignore(t, "", "")
}
