package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// parse is Parse of something for this package.
func parse(t *testing.T, src string, opt Options) *Source {
	t.Helper()
	if opt.Scratch == "" {
		opt.Scratch = t.TempDir()
	}
	s, err := Parse(src, false, opt)
	if err != nil || s == nil {
		t.Fatalf("Parse(%q): %v, %v", src, s, err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestWhatIsFetched(t *testing.T) {
	for src, want := range map[string]string{
		"a": "path", "/a/b": "path", "./git@x": "path", "*.git": "path", "github.com/a/b": "path",
		"http://h/a.tar": "url", "https://h/a": "url", "https://h/a.git": "git", "https://h/a.git#b:c": "git",
		"https://h/a.git?branch=x": "git", "git@h:a": "git", "git://h/a": "git", "ssh://h/a": "git",
		"https://h/a.git?nonsense=x": "error", "https://h/a.git?checksum=zz": "error", "http:///a": "error",
		"https://h/a.git?fetch-by-commit=1": "error",
	} {
		s, err := Parse(src, false, Options{})
		got := "path"
		switch {
		case err != nil:
			got = "error"
		case s != nil && s.IsGit():
			got = "git"
		case s != nil:
			got = "url"
		}
		if got != want {
			t.Errorf("%s: got %s (%v), want %s", src, got, err, want)
		}
	}
	if s, err := Parse("github.com/a/b", true, Options{}); err != nil || !s.IsGit() {
		t.Errorf("a context github.com/a/b: got %v, %v, want git", s, err)
	}
	if _, err := Parse("a", false, Options{Checksum: "sha256:00"}); err == nil {
		t.Error("--checksum of a path is accepted")
	}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestDownload(t *testing.T) {
	modified := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	asked := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if !strings.HasPrefix(r.URL.Path, "/undated") {
			w.Header().Set("Last-Modified", modified.Format(http.TimeFormat))
		}
		fmt.Fprint(w, "content")
	})
	for _, test := range []struct {
		path, name string
		time       int64
	}{
		{"/d/file.txt?a=b", "file.txt", modified.Unix()}, {"/", unnamed, modified.Unix()}, {"", unnamed, modified.Unix()},
		{"/undated/a%5b*%3f%5c", `a[*?\`, 0}, {"/x/..", unnamed, modified.Unix()},
	} {
		s := parse(t, url+test.path, Options{})
		tree, sources, err := s.Open(context.Background())
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
			continue
		}
		entries, err := tree.Select(selection(sources))
		if err != nil || len(entries) != 1 || entries[0].Name != test.name {
			t.Errorf("%s: got %+v, %v, want %q", test.path, entries, err, test.name)
			continue
		}
		st, err := tree.Root.Stat(entries[0].Path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode() != 0o600 || st.ModTime().Unix() != test.time {
			t.Errorf("%s: got %v of %v, want mode 0600 of %d", test.path, st.Mode(), st.ModTime(), test.time)
		}
		tree.Close()
	}
	before := asked
	s := parse(t, url+"/a", Options{})
	one, err1 := s.Identity(context.Background())
	_, _, err2 := s.Open(context.Background())
	if err := errors.Join(err1, err2); err != nil || asked != before+1 {
		t.Errorf("%d requests for one download, %v", asked-before, err)
	}
	if want := "url " + digest.FromString("content").String() + " a"; one != want {
		t.Errorf("got identity %q, want %q", one, want)
	}
	left := s.opt.Scratch
	s.Close()
	if e, _ := os.ReadDir(left); len(e) != 0 {
		t.Errorf("%v is left", e)
	}
}

func TestChecksums(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "content") })
	for sum, ok := range map[string]bool{
		digest.FromString("content").String():                      true,
		fmt.Sprintf("sha512:%x", sha512.Sum512([]byte("content"))): true,
		digest.FromString("other").String():                        false,
	} {
		s := parse(t, url+"/a", Options{Checksum: sum})
		id, err := s.Identity(context.Background())
		if err != nil || id != "url "+sum+" a" || s.file != nil {
			t.Errorf("%s: got %q, %v, without a download", sum, id, err)
		}
		if _, _, err := s.Open(context.Background()); (err == nil) != ok {
			t.Errorf("%s: got %v, want success: %v", sum, err, ok)
		}
	}
	for _, bad := range []string{"sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e", "abc"} {
		if _, err := Parse(url+"/a", false, Options{Checksum: bad}); err == nil {
			t.Errorf("checksum %q is accepted", bad)
		}
	}
}

func TestServersThatFail(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/missing":
			http.NotFound(w, r)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/short":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "short")
		}
	})
	for path, want := range map[string]string{
		"/missing": "the server answered 404 Not Found", "/loop": "again and again",
		"/file": "unsupported protocol scheme", "/short": "unexpected EOF",
	} {
		s := parse(t, url+path, Options{})
		_, _, err := s.Open(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), `cannot get "http://`) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	withPassword := strings.Replace(url, "http://", "http://user:hunter2@", 1)
	_, _, err := parse(t, withPassword+"/missing", Options{}).Open(context.Background())
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is shown: %v", err)
	}
}

func TestAnEndlessDownloadCanBeGivenUp(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write(make([]byte, 1<<10))
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, _, err := parse(t, url+"/a", Options{}).Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestContextsByURL(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	w.WriteHeader(&tar.Header{Name: "Dockerfile", Typeflag: tar.TypeReg, Mode: 0o4644, Size: 12, Uid: 7})
	io.WriteString(w, "FROM scratch")
	w.WriteHeader(&tar.Header{Name: "null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3})
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a.tar" {
			w.Write(packed.Bytes())
			return
		}
		fmt.Fprint(w, "FROM scratch")
	})
	for path, want := range map[string]string{"/a.tar": "", "/sub/Containerfile": "Containerfile"} {
		s := parse(t, url+path, Options{})
		tree, dockerfile, err := s.Context(context.Background())
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		name := dockerfile
		if name == "" {
			name = "Dockerfile"
		}
		content, err := tree.Root.ReadFile(name, 1000)
		if dockerfile != want || string(content) != "FROM scratch" {
			t.Errorf("%s: got %q with %q, %v", path, dockerfile, content, err)
		}
		if _, err := tree.Root.Lstat("null"); err == nil {
			t.Errorf("%s: a device was made", path)
		}
		s.Close()
		if e, _ := os.ReadDir(s.opt.Scratch); len(e) != 0 {
			t.Errorf("%s: %v is left", path, e)
		}
	}
}
