package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"golang.org/x/sys/unix"

	"skiff/rootfs/build/source"
	"skiff/rootfs/safepath"
)

// hexDigits of a commit: SHA-1 and SHA-256.
const shaLen, sha256Len = 40, 64

func newGit(src string, ref *dfgitutil.GitRef, opt Options) (*Source, error) {
	if ref.IndistinguishableFromLocal {
		ref.Remote = "https://" + ref.Remote
	}
	if ref.Checksum != "" && opt.Checksum != "" && ref.Checksum != opt.Checksum {
		return nil, fmt.Errorf("--checksum=%s contradicts %q", opt.Checksum, src)
	}
	if opt.Checksum == "" {
		opt.Checksum = ref.Checksum
	}
	if !isHex(opt.Checksum) {
		return nil, fmt.Errorf("invalid checksum %q: that of a git repository is a commit, or the beginning of one", opt.Checksum)
	}
	if ref.KeepGitDir != nil {
		opt.KeepGitDir = *ref.KeepGitDir
	}
	s := &Source{git: ref, opt: opt}
	switch {
	case isCommit(ref.Ref):
		if !strings.HasPrefix(ref.Ref, opt.Checksum) {
			return nil, fmt.Errorf("--checksum=%s contradicts %q", opt.Checksum, src)
		}
		s.commit = ref.Ref
	case ref.FetchByCommit && isCommit(opt.Checksum):
		s.commit = opt.Checksum
	case ref.FetchByCommit:
		return nil, fmt.Errorf("invalid git repository %q: fetch-by-commit needs a whole commit", src)
	}
	return s, nil
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdefABCDEF") == "" }

func isCommit(s string) bool { return (len(s) == shaLen || len(s) == sha256Len) && isHex(s) }

// gitIdentity is the commit, and what of it is used.
func (s *Source) gitIdentity(ctx context.Context) (string, error) {
	if err := s.resolve(ctx); err != nil {
		return "", err
	}
	words := []string{"git", s.commit, path.Join("/", s.git.SubDir)}
	if s.opt.KeepGitDir {
		words = append(words, "keep", redacted(s.git.Remote), s.git.Ref)
	}
	if s.git.Submodules != nil && !*s.git.Submodules {
		words = append(words, "alone")
	}
	return strings.Join(words, " "), nil
}

// resolve asks the server which commit the reference stands for.
func (s *Source) resolve(ctx context.Context) error {
	if s.commit != "" {
		return nil
	}
	g, err := s.newGitRunner(ctx)
	if err != nil {
		return err
	}
	ref := s.git.Ref
	if ref == "" {
		ref = "HEAD"
	}
	out, err := g.run("ls-remote", "--", s.git.Remote, ref, ref+"^{}")
	if err != nil {
		return err
	}
	commit, tag := choose(out, ref)
	if commit == "" {
		return fmt.Errorf("cannot find %q in the git repository %s", ref, redacted(s.git.Remote))
	}
	if !strings.HasPrefix(commit, s.opt.Checksum) && (tag == "" || !strings.HasPrefix(tag, s.opt.Checksum)) {
		return fmt.Errorf("cannot use %q of the git repository %s: it is commit %s, not %s", ref, redacted(s.git.Remote), commit, s.opt.Checksum)
	}
	s.commit = commit
	return nil
}

// choose picks the commit among what a server says that ref is, a branch before a
// tag. tag is the tag's own object, if it has one.
func choose(lines, ref string) (commit, tag string) {
	found := map[string]string{}
	for line := range strings.Lines(lines) {
		if sha, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && isCommit(sha) {
			found[name] = sha
		}
	}
	for _, name := range []string{ref, "refs/" + ref, "refs/heads/" + ref} {
		if sha := found[name]; sha != "" && found[name+"^{}"] == "" {
			return sha, ""
		}
	}
	for _, name := range []string{ref, "refs/" + ref, "refs/tags/" + ref} {
		if peeled := found[name+"^{}"]; peeled != "" {
			return peeled, found[name]
		}
		if sha := found[name]; sha != "" {
			return sha, ""
		}
	}
	return "", ""
}

// checkout gets the files of the commit.
func (s *Source) checkout(ctx context.Context) (*source.Tree, error) {
	if err := s.resolve(ctx); err != nil {
		return nil, err
	}
	g, err := s.newGitRunner(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.getCommit(g); err != nil {
		return nil, err
	}
	if s.git.Submodules == nil || *s.git.Submodules {
		if err := s.submodules(g); err != nil {
			return nil, err
		}
	}
	if s.git.MTime == "commit" {
		if err := commitTimes(g); err != nil {
			return nil, err
		}
	}
	if s.opt.KeepGitDir {
		err = s.cleanGitDir(g)
	} else {
		err = removeGitDirs(g.dir)
	}
	if err != nil {
		return nil, err
	}
	t, err := source.Directory(g.dir, "git repository "+redacted(s.git.Remote), nil, nil)
	if err != nil {
		return nil, err
	}
	return subdirectory(t, s.git.SubDir)
}

// getCommit makes the repository and checks the commit out.
func (s *Source) getCommit(g *gitRunner) error {
	format := "sha1"
	if len(s.commit) == sha256Len {
		format = "sha256"
	}
	if _, err := g.run("init", "-q", "--template=", "--object-format="+format); err != nil {
		return err
	}
	if _, err := g.run("remote", "add", "--", "origin", s.git.Remote); err != nil {
		return err
	}
	if err := s.fetchCommit(g); err != nil {
		return err
	}
	got, err := g.run("rev-parse", "--verify", s.commit+"^{commit}")
	if err != nil {
		return err
	}
	if got = strings.TrimSpace(got); !strings.HasPrefix(got, s.opt.Checksum) && !strings.HasPrefix(s.commit, s.opt.Checksum) {
		return fmt.Errorf("cannot use the git repository %s: got commit %s, not %s", redacted(s.git.Remote), got, s.opt.Checksum)
	}
	branch := []string{"--detach"}
	if name := strings.TrimPrefix(s.git.Ref, "refs/heads/"); s.opt.KeepGitDir && s.git.FetchByCommit && name != "" && !isCommit(name) {
		branch = []string{"-B", name}
	}
	_, err = g.run(append(append([]string{"checkout", "-q", "-f"}, branch...), s.commit, "--")...)
	return err
}

// fetchCommit asks for the one commit. Not all servers give what has no name;
// these are asked for the reference, and then for everything.
func (s *Source) fetchCommit(g *gitRunner) error {
	tries := [][]string{{"--depth=1", "--no-tags", "origin", s.commit}}
	if ref := s.git.Ref; !isCommit(ref) {
		if ref == "" {
			ref = "HEAD"
		}
		tries = append(tries, []string{"--depth=1", "--no-tags", "origin", ref}, []string{"--no-tags", "origin", ref})
	}
	tries = append(tries, []string{"--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"})
	var last error
	for _, args := range tries {
		if _, last = g.run(append([]string{"fetch", "-q", "--no-recurse-submodules"}, args...)...); last != nil {
			if g.ctx.Err() != nil {
				return last
			}
			continue
		}
		if _, last = g.run("cat-file", "-e", s.commit+"^{commit}"); last == nil {
			return nil
		}
		last = fmt.Errorf("cannot find commit %s in the git repository %s", s.commit, redacted(s.git.Remote))
	}
	return last
}

func (s *Source) submodules(g *gitRunner) error {
	st, err := os.Lstat(filepath.Join(g.dir, ".gitmodules"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.Mode().IsRegular() {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = g.run("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", "--recommend-shallow")
	if err == nil || g.ctx.Err() != nil {
		return err
	}
	_, err = g.run("submodule", "--quiet", "update", "--init", "--recursive") // not shallow
	return err
}

// commitTimes gives all files the time of the commit.
func commitTimes(g *gitRunner) error {
	out, err := g.run("show", "-s", "--format=%ct", "HEAD")
	if err != nil {
		return err
	}
	sec, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return fmt.Errorf("cannot read the time of the commit: %w", err)
	}
	at := unix.NsecToTimespec(time.Unix(sec, 0).UnixNano())
	return filepath.WalkDir(g.dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git" && d.IsDir():
			return fs.SkipDir
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// cleanGitDir removes from .git what differs each time, and passwords.
func (s *Source) cleanGitDir(g *gitRunner) error {
	if _, err := g.run("remote", "set-url", "origin", withoutPassword(s.git.Remote)); err != nil {
		return err
	}
	if _, err := g.run("reflog", "expire", "--all", "--expire=now"); err != nil {
		return err
	}
	err := os.Remove(filepath.Join(g.dir, ".git", "FETCH_HEAD"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeGitDirs removes .git of the repository and of its submodules.
func removeGitDirs(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != ".git" {
			return err
		}
		if err := safepath.RemoveAll(name); err != nil || !d.IsDir() {
			return err
		}
		return fs.SkipDir
	})
}
