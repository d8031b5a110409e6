package layer

import (
	"errors"
	"strings"
	"testing"

	"skiff/state"
)

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"busybox":                       "docker.io/library/busybox:latest",
		"busybox:1.2":                   "docker.io/library/busybox:1.2",
		"a/b":                           "docker.io/a/b:latest",
		"docker.io/busybox":             "docker.io/library/busybox:latest",
		"index.docker.io/busybox":       "docker.io/library/busybox:latest",
		"localhost/x":                   "localhost/x:latest",
		"localhost:5000/x":              "localhost:5000/x:latest",
		"127.0.0.1:5000/a/b_c.d--e:T-1": "127.0.0.1:5000/a/b_c.d--e:T-1",
		"[::1]:5000/x":                  "[::1]:5000/x:latest",
		"quay.io/x@" + someDigest:       "quay.io/x@" + someDigest,
		"quay.io/x:1@" + someDigest:     "quay.io/x@" + someDigest,
		"a__b":                          "docker.io/library/a__b:latest",
	} {
		got, err := Normalize(in)
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
		again, err := Normalize(got)
		if err != nil || again != got {
			t.Errorf("%q: got %q, %v when done twice", in, again, err)
		}
	}
	if got, err := NormalizeLocal("x"); err != nil || got != "localhost/x:latest" {
		t.Errorf("local: got %q, %v", got, err)
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for _, in := range []string{
		"", "/", "a/", "/a", "a//b", "A", "a/B", "quay.io/A", "-a", "a-", "a_", ".a", "a..b", "a___b", "a.-b",
		"a:", "a:-x", "a:x/y", "a:" + strings.Repeat("x", 129), "a b", "a\n", "a\x00", "ä",
		"a@", "a@sha256:", "a@sha256:12", "a@" + strings.ToUpper(someDigest), "a@md5:" + strings.Repeat("0", 32), "@" + someDigest,
		"a@" + someDigest + "@" + someDigest, "-bad.example/a", "a.example:/x", "a.example:port/x", "[::1/x", "[::z]/x",
		"../../etc/passwd", "a/../b", "http://x/y", strings.Repeat("a", 256), "oci:x:y",
	} {
		if r, err := ParseReference(in); !errors.Is(err, state.ErrInvalid) {
			t.Errorf("%q: got %+v, %v, want it refused", in, r, err)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: the message has more than one line", in)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"busybox", "a/b:c", "quay.io/x@" + someDigest, "[::1]:5/x", "..", "a:b:c", "@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		r, err := ParseReference(in)
		if err != nil {
			return
		}
		again, err := ParseReference(r.String())
		if err != nil || again != r {
			t.Errorf("%q: got %+v, and %+v, %v from its text %q", in, r, again, err, r)
		}
		if strings.Contains(r.Path, "..") || strings.ContainsAny(r.String(), " \n\x00") {
			t.Errorf("%q was taken: %+v", in, r)
		}
	})
}
