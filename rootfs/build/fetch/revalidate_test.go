package fetch

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// versions is a server of one file that counts what it is asked for.
type versions struct {
	content, etag string
	modified      time.Time
	// deaf has it ignore conditions, as some servers do.
	deaf                 bool
	whole, same          int
	ifNoneMatch, ifSince string
}

func (v *versions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.ifNoneMatch, v.ifSince = r.Header.Get("If-None-Match"), r.Header.Get("If-Modified-Since")
	if v.etag != "" {
		w.Header().Set("ETag", v.etag)
	}
	if !v.modified.IsZero() {
		w.Header().Set("Last-Modified", v.modified.Format(http.TimeFormat))
	}
	old := v.etag != "" && v.ifNoneMatch == v.etag ||
		v.ifNoneMatch == "" && !v.modified.IsZero() && v.ifSince == v.modified.Format(http.TimeFormat)
	if old && !v.deaf {
		v.same++
		w.WriteHeader(http.StatusNotModified)
		return
	}
	v.whole++
	fmt.Fprint(w, v.content)
}

func TestServersAreAskedForSomethingNewer(t *testing.T) {
	long := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	tests := []struct {
		name        string
		first, then versions
		want        string // of the second: same, whole or, without a condition, asked
	}{
		{"an ETag stays", versions{content: "a", etag: `"1"`}, versions{content: "a", etag: `"1"`}, "same"},
		{"a weak ETag stays", versions{content: "a", etag: `W/"1"`}, versions{content: "a", etag: `W/"1"`}, "same"},
		{"another ETag", versions{content: "a", etag: `"1"`}, versions{content: "b", etag: `"2"`}, "whole"},
		{"the ETag counts, not the time", versions{content: "a", etag: `"1"`, modified: long}, versions{content: "b", etag: `"2"`, modified: long}, "whole"},
		{"a time stays", versions{content: "a", modified: long}, versions{content: "a", modified: long}, "same"},
		{"another time", versions{content: "a", modified: long}, versions{content: "b", modified: long.Add(time.Second)}, "whole"},
		{"a time so new that the file may change within it", versions{content: "a", modified: time.Now()}, versions{content: "b"}, "asked"},
		{"nothing to go by", versions{content: "a"}, versions{content: "a"}, "asked"},
		{"an endless ETag", versions{content: "a", etag: `"` + strings.Repeat("1", 2000) + `"`}, versions{content: "a"}, "asked"},
		{"a server that ignores the question but has the same ETag", versions{content: "a", etag: `"1"`, deaf: true}, versions{content: "unread", etag: `"1"`, deaf: true}, "unread"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var now *versions
			url := serve(t, func(w http.ResponseWriter, r *http.Request) { now.ServeHTTP(w, r) })
			now = &tt.first
			s := parse(t, url+"/a", Options{})
			first, err := s.Identity(context.Background())
			if err != nil || now.whole != 1 {
				t.Fatalf("first: %q, %v after %d downloads", first, err, now.whole)
			}
			known, ok := s.Got()
			if ok != (tt.want != "asked") {
				t.Fatalf("remembers %+v: %v", known, ok)
			}
			now = &tt.then
			s = parse(t, url+"/a", Options{Known: known})
			second, err := s.Identity(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			got, _ := s.Got()
			switch tt.want {
			case "same":
				if now.same != 1 || now.whole != 0 || second != first || got != (Copy{}) {
					t.Errorf("got %q after %d and %d answers, want %q after one 304", second, now.same, now.whole, first)
				}
			case "unread":
				if second != first || got != (Copy{}) {
					t.Errorf("got %q, want %q", second, first)
				}
			case "whole", "asked":
				want := "url " + digest.FromString(now.content).String() + " a"
				if now.same != 0 || now.whole != 1 || second != want || s.Changed() {
					t.Errorf("got %q after %d and %d answers, want %q after one download", second, now.same, now.whole, want)
				}
				if tt.want == "asked" && (now.ifNoneMatch != "" || now.ifSince != "") {
					t.Errorf("a condition was sent: %q, %q", now.ifNoneMatch, now.ifSince)
				}
			}
		})
	}
}

func TestWhatIsKnownIsDownloadedWhereItIsNeeded(t *testing.T) {
	now := &versions{content: "a", etag: `"1"`}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { now.ServeHTTP(w, r) })
	known := Copy{Digest: digest.FromString("a"), ETag: `"1"`}
	for content, changed := range map[string]bool{"a": false, "b": true} {
		s := parse(t, url+"/a", Options{Known: known})
		now.content, now.etag = "a", `"1"`
		if _, err := s.Identity(context.Background()); err != nil {
			t.Fatal(err)
		}
		if now.content = content; changed {
			now.etag = `"2"`
		}
		tree, _, err := s.Open(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got, err := tree.Root.ReadFile("a", 10)
		if string(got) != content || err != nil || s.Changed() != changed || now.ifNoneMatch != "" {
			t.Errorf("got %q, %v, changed %v with condition %q, want %q, changed %v, without", got, err, s.Changed(), now.ifNoneMatch, content, changed)
		}
		if c, ok := s.Got(); !ok || c != (Copy{Digest: digest.FromString(content), ETag: now.etag}) {
			t.Errorf("remembers %+v", c)
		}
	}
}

func TestAnAnswerThatWasNotAskedForIsNoContent(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) })
	for name, known := range map[string]Copy{
		"nothing known": {}, "a digest that is none": {Digest: "sha256:00", ETag: `"1"`},
	} {
		_, err := parse(t, url+"/a", Options{Known: known}).Identity(context.Background())
		if err == nil || !strings.Contains(err.Error(), "304") {
			t.Errorf("%s: got %v, want the server's 304 as the error", name, err)
		}
	}
}
