package registry

import (
	"errors"
	"io"
	"strings"
	"testing"

	"go.podman.io/image/v5/docker/reference"

	"skiff/rootfs/layer"
)

// The registry stack's own parser is the oracle for the engine's.
func TestNormalizeAgreesWithTheRegistryStack(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, ref := range []string{
		"a", "a:b", "a/b", "a/b/c:d", "a.b", "a.b/c", "a:1/b", "localhost/a", "localhost:1/a", "LOCALHOST/a", "Reg.Example/a",
		"a_b", "a__b", "a___b", "a-b", "a---b", "a-", "a.b-c_d", "a._b", "A", "a/A", "a:A", "a:" + strings.Repeat("x", 128), "a:" + strings.Repeat("x", 129),
		"a" + digest, "a:b" + digest, "a" + digest + "x", "1.2.3.4/a", "1.2.3.4:5/a", "a b", "", "/a", "a/", "a//b", "docker.io/a", "docker.io/a/b",
		"index.docker.io/a", "x.y:z/a", "-a/b", "a:b:c", "a@b", "library/a", "xn--p1ai.example/a", "a.example./b", "é/a", "a:.b", "a:_b",
	} {
		want := ""
		if named, err := reference.ParseNormalizedNamed(ref); err == nil {
			if d, ok := named.(reference.Digested); ok {
				named, err = reference.WithDigest(reference.TrimNamed(named), d.Digest())
			}
			if err == nil {
				want = reference.TagNameOnly(named).String()
			}
		}
		got, err := layer.Normalize(ref)
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("%q: got %q (%v), want %q", ref, got, err, want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1": true, "127.9.9.9:1": true, "[::1]:5000": true, "[::1]": true,
		"localhost.example": false, "128.0.0.1": false, "docker.io": false, "127.0.0.1.example:5": false, "[::2]:1": false, "": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}

func TestCauseIsOneShortLine(t *testing.T) {
	for in, want := range map[string]string{
		"initializing source docker://x: reading manifest latest in x: something":         "something",
		"writing blob: storing layer: a\nb\x1b[31m":                                       "a b [31m",
		`unpacking failed (error: exit status 1; output: invalid whiteout path "/.wh..")`: `cannot unpack a layer: invalid whiteout path "/.wh.."`,
		"x: no space left on device":                                                      "no space left on device",
		strings.Repeat("x", 1000):                                                         strings.Repeat("x", 500) + "…",
	} {
		if _, got := Cause(errors.New(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if !(retries{}).mayPass(io.ErrUnexpectedEOF) {
		t.Error("a broken connection is not tried again")
	}
}
