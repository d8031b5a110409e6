package fetch

import (
	"context"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"skiff/rootfs/build/source"
)

func selection(sources []string) source.Selection { return source.Selection{Sources: sources} }

// git runs git as somebody who makes repositories.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main",
		"-c", "protocol.file.allow=always", "-c", "core.hooksPath=/dev/null"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository makes a repository with the branches main and next, the tag v1 with
// an object of its own, and a submodule; all of it is served by HTTP.
type repository struct {
	url, dumb         string       // of repo.git, the latter by a server that only has files
	first, main, next string       // commits
	authorization     atomic.Value // what the last request had, a string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	top := t.TempDir()
	r := &repository{}
	lib, repo := filepath.Join(top, "lib.git"), filepath.Join(top, "repo.git")
	for _, dir := range []string{lib, repo} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		git(t, dir, "init", "-q")
	}
	backend := filepath.Join(git(t, top, "--exec-path"), "git-http-backend")
	r.url = serve(t, func(w http.ResponseWriter, req *http.Request) {
		authorization := req.Header.Get("Authorization")
		r.authorization.Store(authorization)
		if req.URL.Path == "/private.git/info/refs" && authorization == "" {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		req.URL.Path = strings.Replace(req.URL.Path, "/private.git", "/repo.git", 1)
		h := cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + top, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + top,
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}}
		h.ServeHTTP(w, req)
	})
	files := func(dir, name, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		git(t, dir, "add", "-A")
		git(t, dir, "commit", "-q", "-m", name)
	}
	files(lib, "lib.c", "lib")
	files(repo, "a", "one")
	r.first = git(t, repo, "rev-parse", "HEAD")
	git(t, repo, "tag", "-a", "-m", "tag", "v1")
	git(t, repo, "submodule", "--quiet", "add", r.url+"/lib.git", "lib")
	files(repo, "sub/dir/b", "two")
	r.main = git(t, repo, "rev-parse", "HEAD")
	git(t, repo, "checkout", "-q", "-b", "next")
	files(repo, "a", "next")
	r.next = git(t, repo, "rev-parse", "HEAD")
	git(t, repo, "checkout", "-q", "main")
	git(t, repo, "update-server-info")
	dumb := http.FileServer(http.Dir(top))
	r.dumb = serve(t, dumb.ServeHTTP) + "/repo.git/.git"
	r.url += "/repo.git"
	return r
}

// checkout gives what is in a repository.
func checkout(t *testing.T, src string, opt Options) (string, *Source) {
	t.Helper()
	s := parse(t, src, opt)
	tree, _, err := s.Open(context.Background())
	if err != nil {
		t.Errorf("%s: %v", src, err)
		return "", s
	}
	defer tree.Close()
	var names []string
	err = tree.Walk(source.Entry{Path: ".", Dir: true}, source.Visitor{Visit: func(f *source.File) error {
		if f.Dir() == nil && !strings.HasPrefix(f.Rel, ".git/") && f.Rel != ".gitmodules" {
			content, err := tree.Root.ReadFile(f.Path, 1000)
			names = append(names, f.Rel+"="+string(content))
			return err
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " "), s
}

func TestGitReferences(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	const all = "a=one lib/lib.c=lib sub/dir/b=two"
	for _, test := range []struct{ src, want, commit string }{
		{r.url, all, r.main},
		{r.dumb, all, r.main},
		{r.url + "#main", all, r.main},
		{r.url + "#refs/heads/next", "a=next lib/lib.c=lib sub/dir/b=two", r.next},
		{r.url + "#v1", "a=one", r.first},
		{r.url + "#" + r.first, "a=one", r.first},
		{r.dumb + "#" + r.first, "a=one", r.first},
		{r.url + "#main:sub", "dir/b=two", r.main},
		{r.url + "#:/sub/dir/", "b=two", r.main},
		{r.url + "?subdir=sub/dir&branch=next", "b=two", r.next},
		{r.url + "?tag=v1", "a=one", r.first},
		{r.url + "?submodules=false", "a=one sub/dir/b=two", r.main},
		{r.url + "?ref=main&checksum=" + r.main[:10], all, r.main},
		{r.url + "?checksum=" + r.first + "&fetch-by-commit", "a=one", r.first},
	} {
		t.Run(test.src, func(t *testing.T) {
			t.Parallel()
			got, s := checkout(t, test.src, Options{})
			if got != test.want || s.commit != test.commit {
				t.Errorf("got %s of %s\nwant %s of %s", got, s.commit, test.want, test.commit)
			}
			id, err := s.Identity(context.Background())
			if err != nil || !strings.HasPrefix(id, "git "+test.commit+" /") {
				t.Errorf("got identity %q, %v", id, err)
			}
		})
	}
	for src, want := range map[string]string{
		r.url + "#none":                               `cannot find "none" in the git repository`,
		r.url + "#main:none":                          `cannot use the directory "none"`,
		r.url + "#main:a":                             "it is none",
		r.url + "?ref=main&checksum=" + r.first:       "it is commit " + r.main,
		r.url + "?ref=" + strings.Repeat("a", shaLen): "cannot find commit",
		strings.Replace(r.url, "repo", "none", 1):     "cannot get the git repository",
		strings.Replace(r.url, "repo", "private", 1):  "cannot get the git repository",
	} {
		t.Run(src, func(t *testing.T) {
			t.Parallel()
			if _, _, err := parse(t, src, Options{}).Open(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
	private := strings.Replace(r.url, "repo", "private", 1)
	if got, _ := checkout(t, private+"?submodules=0", Options{AuthToken: "secret"}); got != "a=one sub/dir/b=two" {
		t.Errorf("with a token: got %s", got)
	}
	if want := "basic eC1hY2Nlc3MtdG9rZW46c2VjcmV0"; r.authorization.Load() != want {
		t.Errorf("got authorization %q, want %q", r.authorization.Load(), want)
	}
}

func TestGitDirectories(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	s := parse(t, r.url+"#next", Options{KeepGitDir: true})
	tree, _, err := s.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	head, err := tree.Root.ReadFile(".git/HEAD", 1000)
	if err != nil || strings.TrimSpace(string(head)) != r.next {
		t.Errorf("got HEAD %q, %v, want %s", head, err, r.next)
	}
	if _, err := tree.Root.Lstat(".git/FETCH_HEAD"); err == nil {
		t.Error("FETCH_HEAD is kept")
	}
	s = parse(t, r.url+"#next", Options{})
	if tree, _, err = s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for _, name := range []string{".git", "lib/.git"} {
		if _, err := tree.Root.Lstat(name); err == nil {
			t.Errorf("%s is kept", name)
		}
	}
	s = parse(t, r.url+"?mtime=commit&ref=v1", Options{})
	if tree, _, err = s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	st, err := tree.Root.Stat("a")
	if err != nil || st.ModTime().Nanosecond() != 0 || time.Since(st.ModTime()) > time.Hour {
		t.Errorf("got time %v, %v, want that of the commit", st.ModTime(), err)
	}
}

func TestRepositoriesRunNothing(t *testing.T) {
	r := newRepository(t)
	mark := filepath.Join(t.TempDir(), "mark")
	secret := filepath.Join(t.TempDir(), "secret.git")
	if err := os.Mkdir(secret, 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, secret, "init", "-q")
	if err := os.WriteFile(filepath.Join(secret, "s"), []byte("of the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	git(t, secret, "add", "-A")
	git(t, secret, "commit", "-q", "-m", "s")

	// A repository with a submodule of the host's files, one that is a program, and
	// a filter; and settings of the user's that would run something.
	top := t.TempDir()
	for _, evil := range []string{"file://" + secret, secret, "ext::sh -c touch% " + mark, "-u./payload"} {
		dir := filepath.Join(top, "evil.git")
		os.RemoveAll(dir)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		git(t, dir, "init", "-q")
		modules := "[submodule \"s\"]\n\tpath = s\n\turl = \"" + evil + "\"\n\tupdate = !touch " + mark + "\n"
		for name, content := range map[string]string{".gitmodules": modules, ".gitattributes": "* filter=evil\n", "a": "a"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git(t, dir, "add", "-A")
		git(t, dir, "update-index", "--add", "--cacheinfo", "160000,"+git(t, secret, "rev-parse", "HEAD")+",s")
		git(t, dir, "commit", "-q", "-m", "evil")
		git(t, dir, "update-server-info")
		url := serve(t, http.FileServer(http.Dir(top)).ServeHTTP) + "/evil.git/.git"
		s := parse(t, url, Options{})
		if tree, _, err := s.Open(context.Background()); err == nil {
			if _, err := tree.Root.Lstat("s/s"); err == nil {
				t.Errorf("submodule %q: files of the host are in the context", evil)
			}
			tree.Close()
		}
	}
	home := t.TempDir()
	config := "[core]\n\tsshCommand = touch " + mark + "\n\tfsmonitor = touch " + mark + "\n[filter \"evil\"]\n\tsmudge = touch " + mark + "\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("GIT_DIR", secret)
	checkout(t, r.url, Options{})
	if _, err := os.Stat(mark); err == nil {
		t.Error("a repository, or a setting, had a program run")
	}
	for _, bad := range []string{"ssh://-oProxyCommand=touch%20" + mark + "/x.git", "file://" + secret, "ext::sh -c touch% " + mark} {
		s, err := Parse(bad, true, Options{Scratch: t.TempDir()})
		if err != nil || s == nil {
			continue
		}
		if _, _, err := s.Open(context.Background()); err == nil {
			t.Errorf("%s is accepted", bad)
		}
		s.Close()
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a URL had a program run")
	}
}

func TestGitCanBeGivenUp(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	s := parse(t, url+"/a.git", Options{})
	if _, _, err := s.Open(ctx); err == nil || time.Since(began) > 8*time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}
