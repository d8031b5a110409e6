package build

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"skiff/rootfs/imagecall"
)

// TestAnUnchangedURLIsNotDownloadedAgain counts what a server is asked for by ADD.
func TestAnUnchangedURLIsNotDownloadedAgain(t *testing.T) {
	b := newBench(t)
	content, whole, same := "one", 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tag := fmt.Sprintf("%q", content)
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			same++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		whole++
		fmt.Fprint(w, content)
	}))
	defer server.Close()
	b.write("Dockerfile", "FROM scratch\nADD "+server.URL+"/file?a#part /\nRUN [\"make 1\"]\n")
	check := func(what string, wantWhole, wantSame int, change func(*imagecall.Build), want ...string) {
		t.Helper()
		whole, same = 0, 0
		expect(t, what, b.mustBuild(change), want...)
		if whole != wantWhole || same != wantSame {
			t.Errorf("%s: %d downloads and %d times nothing new, want %d and %d", what, whole, same, wantWhole, wantSame)
		}
		if got, want := b.files(), "1=1 file="+content; got != want {
			t.Errorf("%s: result %s, want %s", what, got, want)
		}
	}
	check("first", 1, 0, nil, "make 1")
	check("same again", 0, 1, nil)
	check("without the cache", 1, 0, func(o *imagecall.Build) { o.NoCache = true }, "make 1")
	check("with it", 0, 1, nil)
	content = "two"
	check("another content", 1, 0, nil, "make 1")
	check("the same again", 0, 1, nil)
	if err := os.RemoveAll(b.roots.BuildSteps()); err != nil {
		t.Fatal(err)
	}
	check("the steps are gone", 1, 1, nil, "make 1")
	known, err := filepath.Glob(filepath.Join(b.roots.BuildDownloads(), "*"))
	if err != nil || len(known) != 1 {
		t.Errorf("remembered: %q, %v; want one file", known, err)
	}
}
