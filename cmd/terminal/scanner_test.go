package terminal

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"skiff/libpod/attach"
)

func TestScanner(t *testing.T) {
	keys := []byte{16, 17} // ctrl-p,ctrl-q
	for _, c := range []struct {
		name, in, want string
		keys           []byte
		detached       bool
	}{
		{"text passes", "hello", "hello", keys, false},
		{"the keys detach and are not passed on", "ab\x10\x11cd", "ab", keys, true},
		{"half of the keys before another byte is passed on", "a\x10b", "a\x10b", keys, false},
		{"half of the keys at the end of input is passed on", "a\x10", "a\x10", keys, false},
		{"the first key twice passes one on", "\x10\x10\x11", "\x10", keys, true},
		{"a sequence that begins anew within itself", "aab", "a", []byte("ab"), true},
		{"overlapping repeats", "aaaab", "aa", []byte("aab"), true},
		{"a partly repeated sequence", "abababc", "abab", []byte("abc"), true},
		{"one key", "xyz", "xy", []byte("z"), true},
		{"no keys", "\x10\x11", "\x10\x11", nil, false},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
			"with the error": iotest.DataErrReader,
		} {
			s := NewScanner(wrap(bytes.NewReader([]byte(c.in))), c.keys)
			var got []byte
			var err error
			for err == nil {
				p := make([]byte, 2)
				var n int
				n, err = s.Read(p)
				got = append(got, p[:n]...)
			}
			if string(got) != c.want || errors.Is(err, attach.ErrDetached) != c.detached {
				t.Errorf("%s, %s: got %q, %v; want %q, detached %v", c.name, how, got, err, c.want, c.detached)
			}
		}
	}
}

func FuzzScannerLosesNothing(f *testing.F) {
	f.Add([]byte("ab\x10\x10\x11x"), []byte{16, 17})
	f.Add([]byte("aabaab"), []byte("aab"))
	f.Fuzz(func(t *testing.T, in, keys []byte) {
		if len(keys) > 32 {
			return
		}
		got, err := io.ReadAll(NewScanner(iotest.OneByteReader(bytes.NewReader(in)), keys))
		want := in
		if at := bytes.Index(in, keys); at >= 0 && len(keys) > 0 {
			want = in[:at]
			if !errors.Is(err, attach.ErrDetached) {
				t.Fatalf("keys %q in %q: got %v, want detached", keys, in, err)
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("keys %q in %q: got %q, want %q", keys, in, got, want)
		}
	})
}
