package dns

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func inode(t *testing.T, path string) os.FileInfo {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// The container's own lines stay, and the file is the same one: it is mounted.
func TestAmendLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	before := []byte("127.0.0.1\tlocalhost\n10.0.0.2\tweb\n")
	after := []byte("127.0.0.1\tlocalhost\n10.1.0.2\tweb\n10.2.0.2\tweb\n")
	for _, c := range []struct{ have, want string }{
		{string(before), "127.0.0.1\tlocalhost\n10.1.0.2\tweb\n10.2.0.2\tweb\n"},
		{"10.0.0.2\tweb\n192.0.2.1 mine\n127.0.0.1\tlocalhost\n", "192.0.2.1 mine\n127.0.0.1\tlocalhost\n10.1.0.2\tweb\n10.2.0.2\tweb\n"},
		{"10.1.0.2\tweb\nno newline", "10.1.0.2\tweb\nno newline\n10.2.0.2\tweb\n"},
	} {
		if err := os.WriteFile(path, []byte(c.have), 0o644); err != nil {
			t.Fatal(err)
		}
		was := inode(t, path)
		if err := AmendLines(path, before, after); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != c.want || err != nil {
			t.Errorf("%q: got %q, %v want %q", c.have, got, err, c.want)
		}
		if !os.SameFile(was, inode(t, path)) {
			t.Error("it is another file")
		}
	}
}

func TestAmendFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	for have, want := range map[string]string{"old\n": "new\n", "mine\n": "mine\n"} {
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := AmendFile(path, []byte("old\n"), []byte("new\n")); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("%q became %q, want %q", have, got, want)
		}
	}
}

func TestAmendRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := AmendFile(filepath.Join(dir, "none"), nil, []byte("x")); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
	link, big := filepath.Join(dir, "link"), filepath.Join(dir, "big")
	if err := os.Symlink("/etc/hostname", link); err != nil {
		t.Fatal(err)
	}
	if err := AmendFile(link, nil, []byte("x")); err == nil {
		t.Error("a symbolic link was followed")
	}
	if err := os.WriteFile(big, []byte(strings.Repeat("x", maxFile+1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := AmendLines(big, nil, []byte("x\n")); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("too large a file: %v", err)
	}
}
