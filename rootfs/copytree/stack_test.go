package copytree

import (
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// makeTree makes files of lines: "dir/", "file=content", "gone!" for a whiteout,
// "dir/!" for an opaque directory.
func makeTree(t *testing.T, lines ...string) string {
	t.Helper()
	top := t.TempDir()
	for _, l := range lines {
		name, content, isFile := strings.Cut(l, "=")
		path := filepath.Join(top, strings.TrimRight(name, "/!"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case isFile:
			err = os.WriteFile(path, []byte(content), 0o644)
		case strings.HasSuffix(name, "/!"):
			if err = os.Mkdir(path, 0o755); err == nil {
				err = unix.Setxattr(path, "trusted.overlay.opaque", []byte("y"), 0)
			}
		case strings.HasSuffix(name, "!"):
			err = unix.Mknod(path, unix.S_IFCHR, 0)
		default:
			err = os.Mkdir(path, 0o755)
		}
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
	}
	return top
}

// readTree is the reverse, sorted.
func readTree(t *testing.T, top string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == top {
			return err
		}
		rel, _ := filepath.Rel(top, path)
		switch {
		case d.IsDir():
			rel += "/"
			if n, _ := unix.Getxattr(path, "trusted.overlay.opaque", make([]byte, 1)); n == 1 {
				rel += "!"
			}
		case d.Type().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel += "=" + string(content)
		default:
			rel += "!"
		}
		lines = append(lines, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, " ")
}

func TestStack(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for the marks of overlay")
	}
	lower := []string{"d/", "d/a=1", "d/b=1", "e/", "e/x=1", "f=1", "kept=1"}
	tests := []struct {
		name        string
		upper       []string
		want, whole string
	}{
		{"files replace files", []string{"f=2"}, "d/ d/a=1 d/b=1 e/ e/x=1 f=2 kept=1", "d/ d/a=1 d/b=1 e/ e/x=1 f=2 kept=1"},
		{"directories are merged", []string{"d/", "d/c=2"}, "d/ d/a=1 d/b=1 d/c=2 e/ e/x=1 f=1 kept=1", "d/ d/a=1 d/b=1 d/c=2 e/ e/x=1 f=1 kept=1"},
		{"what is taken away stays away", []string{"f!", "e!"}, "d/ d/a=1 d/b=1 e! f! kept=1", "d/ d/a=1 d/b=1 kept=1"},
		{"an opaque directory hides the older one", []string{"d/!", "d/new=2"}, "d/! d/new=2 e/ e/x=1 f=1 kept=1", "d/ d/new=2 e/ e/x=1 f=1 kept=1"},
		{"a directory where a file was hides what is below", []string{"f/", "f/x=2"}, "d/ d/a=1 d/b=1 e/ e/x=1 f/! f/x=2 kept=1", "d/ d/a=1 d/b=1 e/ e/x=1 f/ f/x=2 kept=1"},
		{"a file where a directory was", []string{"d=2"}, "d=2 e/ e/x=1 f=1 kept=1", "d=2 e/ e/x=1 f=1 kept=1"},
	}
	for _, tt := range tests {
		for _, whole := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				out := t.TempDir()
				to, err := os.Open(out)
				if err != nil {
					t.Fatal(err)
				}
				defer to.Close()
				if err := Stack([]string{makeTree(t, lower...), makeTree(t, tt.upper...)}, to, whole); err != nil {
					t.Fatal(err)
				}
				want := tt.want
				if whole {
					want = tt.whole
				}
				if got := readTree(t, out); got != want {
					t.Errorf("whole %t: got  %s\nwant %s", whole, got, want)
				}
			})
		}
	}
}

// TestStackOverWhiteout: a directory that comes back after it was taken away must
// not show what the base had in it.
func TestStackOverWhiteout(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for the marks of overlay")
	}
	out := t.TempDir()
	to, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if err := Stack([]string{makeTree(t, "d!"), makeTree(t, "d/", "d/n=1")}, to, false); err != nil {
		t.Fatal(err)
	}
	if got, want := readTree(t, out), "d/! d/n=1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
