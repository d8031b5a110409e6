// Package fetch gets files for builds from the network: what ADD names by URL,
// git repositories, and contexts of either kind. Servers are not trusted: size
// and time are bounded, and git is run such that a repository cannot have
// anything executed.
//
// Not here: what is done with the files (rootfs/build/place).
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"

	"skiff/rootfs/build/source"
	"skiff/rootfs/safepath"
)

const (
	// maxTime bounds each download and each run of git.
	maxTime = 2 * time.Hour
	// stall is how long nothing may come.
	stall = time.Minute
)

// Options say how something is got.
type Options struct {
	// Scratch is a directory in which the files may be put.
	Scratch string
	// Checksum is what the content has to be: ALGORITHM:HEX for a URL, a commit or
	// the beginning of one for git. Docker: ADD --checksum.
	Checksum string
	// Known is what an earlier build has got from the URL: then the server is asked
	// whether that is still what it has, and Identity is satisfied with a yes.
	Known Copy
	// KeepGitDir keeps .git. Docker: ADD --keep-git-dir.
	KeepGitDir bool
	// AuthToken and AuthHeader are sent to HTTP servers of git repositories: a token,
	// or the value of the Authorization header. BuildKit: the secrets GIT_AUTH_TOKEN
	// and GIT_AUTH_HEADER.
	AuthToken, AuthHeader string
	// SSHAgent is the socket of the agent for git repositories by SSH.
	SSHAgent string
	// Output is told what git says; may be nil.
	Output func(line string)
}

// Source is something to be got.
type Source struct {
	opt Options
	// One of them is set.
	url string
	git *dfgitutil.GitRef

	commit string // of git, once it is known
	file   *file  // of the URL, once it is here
	// same says that the server still has what Options.Known is, and changed that it
	// gave something else when it was asked for the content then.
	same, changed bool
	undo          []func()
}

// Parse looks whether a source of ADD is one for this package, or with context
// set one of the build itself, which may also be like "github.com/OWNER/NAME".
// nil is for paths.
func Parse(src string, context bool, opt Options) (*Source, error) {
	ref, isGit, err := dfgitutil.ParseGitRef(src)
	switch {
	case err != nil && isGit:
		return nil, fmt.Errorf("invalid git repository %q: %w", src, err)
	case err == nil && (context || !ref.IndistinguishableFromLocal):
		return newGit(src, ref, opt)
	case strings.HasPrefix(src, "http://"), strings.HasPrefix(src, "https://"):
		return newURL(src, opt)
	}
	if opt.Checksum != "" {
		return nil, fmt.Errorf("--checksum is for URLs and git repositories, and %q is neither", src)
	}
	return nil, nil
}

// IsGit reports whether the source is a git repository.
func (s *Source) IsGit() bool { return s.git != nil }

// Identity tells the content from others, for a cache. As little as possible is
// got for it: nothing with a checksum, and of git repositories what the
// reference stands for.
func (s *Source) Identity(ctx context.Context) (string, error) {
	if s.git != nil {
		return s.gitIdentity(ctx)
	}
	if s.opt.Checksum != "" {
		return "url " + s.opt.Checksum + " " + s.fileName(), nil
	}
	if err := s.revalidate(ctx); err != nil {
		return "", err
	}
	d := s.opt.Known.Digest
	if !s.same {
		d = s.file.Digest
	}
	return "url " + d.String() + " " + s.fileName(), nil
}

// Open gets the files. Sources are what a COPY of them names in the tree, which
// is good until Close.
func (s *Source) Open(ctx context.Context) (t *source.Tree, sources []string, err error) {
	if s.git != nil {
		t, err = s.checkout(ctx)
		return t, []string{"/"}, err
	}
	if err := s.download(ctx); err != nil {
		return nil, nil, err
	}
	t, err = source.Directory(s.file.dir, redacted(s.url), nil, nil)
	return t, []string{literal(s.file.name)}, err
}

// Context gets the context of a build. dockerfile is not empty if the source is
// no archive but that file, by its name in the tree.
func (s *Source) Context(ctx context.Context) (t *source.Tree, dockerfile string, err error) {
	if s.git != nil {
		t, err = s.checkout(ctx)
		return t, "", err
	}
	if err := s.download(ctx); err != nil {
		return nil, "", err
	}
	return s.unpackContext(ctx)
}

// Close removes what was got. Trees of it are no longer good then.
func (s *Source) Close() {
	for _, undo := range s.undo {
		undo()
	}
	s.undo, s.file = nil, nil
}

// directory makes a directory that Close removes.
func (s *Source) directory(prefix string) (string, error) {
	dir, err := os.MkdirTemp(s.opt.Scratch, prefix)
	if err == nil {
		s.undo = append(s.undo, func() { safepath.RemoveAll(dir) })
	}
	return dir, err
}

// literal is a pattern that matches a name only.
func literal(name string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]", `\`, `[\\]`).Replace(name)
}

// subdirectory is the part of a tree that a reference asks for.
func subdirectory(t *source.Tree, dir string) (*source.Tree, error) {
	dir = path.Join("/", dir)
	if dir == "/" {
		return t, nil
	}
	defer t.Close()
	st, err := t.Root.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("cannot use the directory %q of %s: there is none", dir[1:], t.Name)
	case err != nil:
		return nil, err
	case !st.IsDir():
		return nil, fmt.Errorf("cannot use the directory %q of %s: it is none", dir[1:], t.Name)
	}
	root, err := t.Root.Sub(dir)
	if err != nil {
		return nil, err
	}
	return &source.Tree{Name: t.Name, Root: root}, nil
}
