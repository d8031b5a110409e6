package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// write makes files below dir: "name" with its content, "name/" a directory,
// "name>target" a symbolic link.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		link, target, isLink := strings.Cut(name, ">")
		at := filepath.Join(dir, link)
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, at)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(at, 0o755)
		default:
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func open(t *testing.T, dir, ignore string) *Tree {
	t.Helper()
	tree, err := Directory(dir, "build context", []byte(ignore), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// list gives what a selection stands for: "path" or "path/", with the entry's
// name and a colon before what is an entry of its own.
func list(t *testing.T, tree *Tree, sel Selection) []string {
	t.Helper()
	entries, err := tree.Select(sel)
	if err != nil {
		t.Fatalf("Select(%q): %v", sel.Sources, err)
	}
	var out []string
	for _, e := range entries {
		if e.Dir {
			out = append(out, e.Path+":")
		}
		err := tree.Walk(e, Visitor{Visit: func(f *File) error {
			switch {
			case f.Rel == "" && f.Dir() == nil:
				out = append(out, e.Name)
			case f.Rel != "" && f.Dir() != nil:
				out = append(out, f.Rel+"/")
			case f.Rel != "":
				out = append(out, f.Rel)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestWhatASelectionStandsFor(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.txt": "a", "b.txt": "b", "home": "h", "homo/x.txt": "x", "homo/y.go": "y",
		"d/e/f.txt": "f", "d/e/g.go": "g", "d/e2/f.txt": "f2", "d/top.txt": "t",
		"empty/": "", "link>a.txt": "", "dirlink>d/e": "", "abs>/d/e/f.txt": "", "up>../../../../d/top.txt": "",
		"dangling>nowhere": "", "arr[0].txt": "odd",
	})
	for _, test := range []struct {
		name   string
		sel    Selection
		ignore string
		want   string
	}{
		{"a file", Selection{Sources: []string{"a.txt"}}, "", "a.txt"},
		{"a file from the root, uncleanly", Selection{Sources: []string{"/./d/../a.txt"}}, "", "a.txt"},
		{"paths out of the tree stay in it", Selection{Sources: []string{"../../a.txt"}}, "", "a.txt"},
		{"a directory stands for what it holds", Selection{Sources: []string{"d"}}, "", "d: e/ e/f.txt e/g.go e2/ e2/f.txt top.txt"},
		{"a link to a file is that file, under its name", Selection{Sources: []string{"link"}}, "", "link"},
		{"a link to a directory is what that holds", Selection{Sources: []string{"dirlink"}}, "", "d/e: f.txt g.go"},
		{"an absolute link starts at the tree", Selection{Sources: []string{"abs", "up"}}, "", "abs up"},
		{"a wildcard", Selection{Sources: []string{"*.txt"}}, "", "a.txt arr[0].txt b.txt"},
		{"a wildcard for a directory", Selection{Sources: []string{"hom*"}}, "", "home homo: x.txt y.go"},
		{"wildcards in two components", Selection{Sources: []string{"*/e*/f.t?t"}}, "", "f.txt f.txt"},
		{"a wildcard may match nothing", Selection{Sources: []string{"*.none"}}, "", ""},
		{"a bracket names a bracket", Selection{Sources: []string{"arr[[]0].txt"}}, "", "arr[0].txt"},
		{"excluded files of a directory", Selection{Sources: []string{"d"}, Excludes: []string{"*/*.go"}}, "", "d: e/ e/f.txt e2/ e2/f.txt top.txt"},
		{"excluded everywhere", Selection{Sources: []string{"d"}, Excludes: []string{"**/*.txt"}}, "", "d: e/ e/g.go e2/"},
		{"excluded but for one", Selection{Sources: []string{"d"}, Excludes: []string{"e", "!e/f.txt"}}, "", "d: e/ e/f.txt e2/ e2/f.txt top.txt"},
		{"excluded among the matches", Selection{Sources: []string{"hom*"}, Excludes: []string{"home", "*.txt"}}, "", "homo: y.go"},
		{"parents", Selection{Sources: []string{"./d/e/f.txt"}, Parents: true}, "", ".: d/ d/e/ d/e/f.txt"},
		{"parents of a directory", Selection{Sources: []string{"d/e"}, Parents: true}, "", ".: d/ d/e/ d/e/f.txt d/e/g.go"},
		{"parents from a point on", Selection{Sources: []string{"./d/./e/*.go"}, Parents: true}, "", "d: e/ e/g.go"},
		{"parents with double stars", Selection{Sources: []string{"./**/f.txt"}, Parents: true}, "", ".: d/ d/e/ d/e/f.txt d/e2/ d/e2/f.txt"},
		{"ignored files", Selection{Sources: []string{"."}}, "*\n!d\nd/e2\n**/*.go", ".: d/ d/e/ d/e/f.txt d/top.txt"},
		{"all ignored but one deep down", Selection{Sources: []string{"."}}, "*\n!d/e/f.txt", ".: d/ d/e/ d/e/f.txt"},
		{"ignored among the matches of a wildcard", Selection{Sources: []string{"*.txt"}}, "b.txt\n# comment\n", "a.txt arr[0].txt"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := open(t, dir, test.ignore)
			if got := strings.Join(list(t, tree, test.sel), " "); got != test.want {
				t.Errorf("%q\n got %s\nwant %s", test.sel.Sources, got, test.want)
			}
		})
	}
}

func TestWhatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, dir, map[string]string{"a": "", "secret.txt": "", "dangling>nowhere": "", "loop>loop": "", "out>" + outside: ""})
	if err := os.WriteFile(outside, []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree := open(t, dir, "secret*")
	for source, want := range map[string]string{
		"b":          `"/b": not found`,
		"a/b":        `"/a/b": not found`,
		"dangling":   `"/dangling": not found`,
		"loop":       `"/loop": not found`,
		"out":        `"/out": not found`,
		"none/*":     "",
		"dang*":      `"/dangling": not found`,
		"secret*":    "",
		"secret.txt": `"/secret.txt": not found: it is in the build context, but the ignore file leaves it out`,
	} {
		_, err := tree.Select(Selection{Sources: []string{source}})
		got := ""
		if err != nil {
			got = err.Error()
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Select(%q): %v is not fs.ErrNotExist", source, err)
			}
		}
		if got != want {
			t.Errorf("Select(%q): got %q, want %q", source, got, want)
		}
	}
	if _, err := tree.Select(Selection{Sources: []string{"a["}}); err == nil {
		t.Error("a broken wildcard is accepted")
	}
}

func TestWhichIgnoreFileCounts(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	tree := open(t, dir, "")
	explicit := filepath.Join(other, "explicit")
	find := func(dockerfile, explicit string) string {
		t.Helper()
		b, err := IgnoreFile(tree.Root, dockerfile, explicit)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := find("Dockerfile", ""); got != "" {
		t.Errorf("got %q without any", got)
	}
	for _, step := range []struct{ file, dockerfile, explicit string }{
		{filepath.Join(dir, ".dockerignore"), "Dockerfile", ""},
		{filepath.Join(dir, ".containerignore"), "Dockerfile", ""},
		{filepath.Join(dir, "sub.dockerignore"), "sub", ""},
		{filepath.Join(dir, "sub.containerignore"), "sub", ""},
		{filepath.Join(other, "Other.dockerignore"), filepath.Join(other, "Other"), ""},
		{explicit, filepath.Join(other, "Other"), explicit},
	} {
		if err := os.WriteFile(step.file, []byte(step.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := find(step.dockerfile, step.explicit); got != step.file {
			t.Errorf("for %q and %q: got %q, want %q", step.dockerfile, step.explicit, got, step.file)
		}
	}
	if _, err := IgnoreFile(tree.Root, "", filepath.Join(other, "none")); err == nil {
		t.Error("an explicit ignore file that is missing is accepted")
	}
	if err := unix.Mkfifo(filepath.Join(other, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := IgnoreFile(tree.Root, "", filepath.Join(other, "fifo")); err == nil {
		t.Error("a FIFO is accepted as ignore file")
	}
}

func TestAWalkSkipsIgnoredDirectoriesUnread(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"node_modules/x/y": "", "src/a": ""})
	tree := open(t, dir, "node_modules\n!src/keep")
	m, err := newMatcher(tree.ignore)
	if err != nil {
		t.Fatal(err)
	}
	for rel, want := range map[string]bool{"node_modules": false, "node_modules/x": false, "src": true, "src/keep": true, "src/other": false} {
		if got := m.reaches(rel); got != want {
			t.Errorf("reaches(%q) = %v, want %v", rel, got, want)
		}
	}
	if got := list(t, tree, Selection{Sources: []string{"."}}); !slices.Equal(got, []string{".:", "src/", "src/a"}) {
		t.Errorf("got %q", got)
	}
}
