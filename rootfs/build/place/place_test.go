package place

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/sys/unix"

	"skiff/rootfs/build/recipe"
	"skiff/rootfs/build/source"
	"skiff/rootfs/safepath"
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

// show gives what is below dir: "path=content", "path/", "path>target".
func show(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel := strings.TrimPrefix(path, dir+"/")
		switch {
		case d.IsDir():
			out = append(out, rel+"/")
		case d.Type() == fs.ModeSymlink:
			target, _ := os.Readlink(path)
			out = append(out, rel+">"+target)
		case d.Type() != 0:
			out = append(out, rel+"="+d.Type().String())
		default:
			b, _ := os.ReadFile(path)
			out = append(out, rel+"="+string(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func openRoot(t *testing.T, dir string) *safepath.Root {
	t.Helper()
	root, err := safepath.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func tree(t *testing.T, dir string) *source.Tree {
	t.Helper()
	tr, err := source.Directory(dir, "build context", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// bed is a context and a root file system.
type bed struct {
	t             *testing.T
	context, root string
}

func newBed(t *testing.T) bed { return bed{t, t.TempDir(), t.TempDir()} }

// copy carries out an instruction with the words of its sources and destination.
func (b bed) copy(c recipe.Copy, words ...string) error {
	b.t.Helper()
	c.Dest = words[len(words)-1]
	if c.Cwd == "" {
		c.Cwd = "/"
	}
	req := Request{Copy: &c, Items: []Item{{
		Tree: tree(b.t, b.context), Unpack: c.Add,
		Selection: source.Selection{Sources: words[:len(words)-1], Parents: c.Parents, Excludes: c.Excludes},
	}}}
	return Copy(context.Background(), openRoot(b.t, b.root), req)
}

func TestWhereThingsGo(t *testing.T) {
	files := map[string]string{"a": "A", "b": "B", "d/x": "X", "d/s/y": "Y", "l>a": "", "dl>d": "", "d/rel>x": ""}
	for _, test := range []struct {
		name  string
		there map[string]string
		cwd   string
		copy  recipe.Copy
		words string
		want  string
		err   string
	}{
		{name: "a file to a new name", words: "a /n", want: "n=A"},
		{name: "a file to a new directory", words: "a /n/", want: "n/ n/a=A"},
		{name: "a file deep down", words: "a /p/q/n", want: "p/ p/q/ p/q/n=A"},
		{name: "a file into a directory", words: "a /p", there: map[string]string{"p/": ""}, want: "p/ p/a=A"},
		{name: "a file over a file", words: "a /p", there: map[string]string{"p": "old"}, want: "p=A"},
		{name: "a file to the working directory", words: "a .", cwd: "/w", want: "w/ w/a=A"},
		{name: "a file to a path from the working directory", words: "a n", cwd: "/w", want: "w/ w/n=A"},
		{name: "a file to dots", words: "a ../../n", cwd: "/w", want: "n=A"},
		{name: "several files", words: "a b /n/", want: "n/ n/a=A n/b=B"},
		{name: "several matches to no directory", words: "? /n", err: `cannot copy several files to "/n": end the destination with a slash if it is to be a directory`},
		{name: "several matches to a directory", words: "[ab] /n/", want: "n/ n/a=A n/b=B"},
		{name: "no match", words: "*.none /n/", want: ""},
		{name: "a directory to a new one", words: "d /n", want: "n/ n/rel>x n/s/ n/s/y=Y n/x=X"},
		{name: "a directory into one that is there", words: "d /n", there: map[string]string{"n/x": "old", "n/z": "Z"}, want: "n/ n/rel>x n/s/ n/s/y=Y n/x=X n/z=Z"},
		{name: "a directory and a file", words: "d a /n/", want: "n/ n/a=A n/rel>x n/s/ n/s/y=Y n/x=X"},
		{name: "a directory over a file", words: "d /n", there: map[string]string{"n": ""}, err: "cannot copy to non-directory: /n"},
		{name: "a directory in the place of a file", words: "d /n", there: map[string]string{"n/s": ""}, err: "cannot copy to non-directory: /n/s"},
		{name: "a directory in the place of a link", words: "d /n", there: map[string]string{"n/s>/o": "", "o/": ""}, err: "cannot copy to non-directory: /n/s"},
		{name: "a file in the place of a directory", words: "d /n", there: map[string]string{"n/x/": ""}, err: "cannot replace to directory /n/x with file"},
		{name: "a file in the place of a link", words: "d /n", there: map[string]string{"n/x>/o": "", "o": "old"}, want: "n/ n/rel>x n/s/ n/s/y=Y n/x=X o=old"},
		{name: "through a link to a directory", words: "a /n/", there: map[string]string{"n>/o": "", "o/": ""}, want: "n>/o o/ o/a=A"},
		{name: "through a link that leaves the root", words: "a /n/", there: map[string]string{"n>../../../../o": "", "o/": ""}, want: "n>../../../../o o/ o/a=A"},
		{name: "through a link to nothing", words: "a /n/", there: map[string]string{"n>/o/p": ""}, want: "n>/o/p o/ o/p/ o/p/a=A"},
		{name: "to a link to a file", words: "a /n", there: map[string]string{"n>o": "", "o": "old"}, want: "n>o o=A"},
		{name: "below a file", words: "a /f/n", there: map[string]string{"f": ""}, err: `cannot make the directory "/f": something else is in the way`},
		{name: "a linked file by its name", words: "l /n/", want: "n/ n/l=A"},
		{name: "a linked directory", words: "dl /n", want: "n/ n/rel>x n/s/ n/s/y=Y n/x=X"},
		{name: "parents", copy: recipe.Copy{Parents: true}, words: "d/s/y a /n/", want: "n/ n/a=A n/d/ n/d/s/ n/d/s/y=Y"},
		{name: "parents from a point on", copy: recipe.Copy{Parents: true}, words: "d/./s/y /n/", want: "n/ n/s/ n/s/y=Y"},
		{name: "parents of what is missing", copy: recipe.Copy{Parents: true}, words: "d/none /n/", err: `"/d/none": not found`},
		{name: "excludes", copy: recipe.Copy{Excludes: []string{"s", "rel"}}, words: "d /n", want: "n/ n/x=X"},
		{name: "missing", words: "none /n", err: `"/none": not found`},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t)
			write(t, b.context, files)
			write(t, b.root, test.there)
			test.copy.Cwd = test.cwd
			err := b.copy(test.copy, strings.Fields(test.words)...)
			if got := fmt.Sprint(err); test.err != "" || err != nil {
				if got != test.err {
					t.Fatalf("got error %v, want %q", got, test.err)
				}
				return
			}
			if got := show(t, b.root); got != test.want {
				t.Errorf("COPY %s\n got %s\nwant %s", test.words, got, test.want)
			}
		})
	}
}

func stat(t *testing.T, path ...string) *syscall.Stat_t {
	t.Helper()
	st, err := os.Lstat(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t)
}

// looks gives mode and owner of a path.
func looks(t *testing.T, path ...string) string {
	st := stat(t, path...)
	return fmt.Sprintf("%04o %d:%d", st.Mode&0o7777, st.Uid, st.Gid)
}

func TestOwnersModesAndTimes(t *testing.T) {
	b := newBed(t)
	write(t, b.context, map[string]string{"d/f": "F", "d/s/g": "G", "d/l>f": "", "d/s/.keep": ""})
	old := time.Unix(1234567890, 123456789)
	for _, name := range []string{"d/f", "d/s/g", "d/s", "d"} {
		at := filepath.Join(b.context, name)
		if err := errors.Join(os.Lchown(at, 5, 6), unix.Chmod(at, 0o2750), os.Chtimes(at, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, b.root, map[string]string{
		"etc/passwd": "root:x:0:0::/:\napp:x:100:101::/:\n", "etc/group": "web:x:33:\n", "there/s/": "",
	})
	for _, test := range []struct {
		name  string
		copy  recipe.Copy
		owned bool
		// want are those of a directory made to copy into, of one that was copied, of
		// a file in it, and of a link.
		made, dir, file, link string
	}{
		{"a context", recipe.Copy{}, false, "0755 0:0", "2750 0:0", "2750 0:0", "0:0"},
		{"a stage", recipe.Copy{}, true, "0755 0:0", "2750 5:6", "2750 5:6", "0:0"},
		{"numbers", recipe.Copy{Chown: "55:66"}, true, "0755 55:66", "2750 55:66", "2750 55:66", "55:66"},
		{"one number", recipe.Copy{Chown: "55"}, true, "0755 55:55", "2750 55:55", "2750 55:55", "55:55"},
		{"a name", recipe.Copy{Chown: "app"}, false, "0755 100:101", "2750 100:101", "2750 100:101", "100:101"},
		{"a name and a group", recipe.Copy{Chown: "app:web"}, false, "0755 100:33", "2750 100:33", "2750 100:33", "100:33"},
		{"only a group", recipe.Copy{Chown: ":web"}, false, "0755 0:33", "2750 0:33", "2750 0:33", "0:33"},
		{"an octal mode", recipe.Copy{Chmod: "4711"}, false, "0711 0:0", "4711 0:0", "4711 0:0", "0:0"},
		{"a symbolic mode", recipe.Copy{Chmod: "u=rwX,g-s,go=r"}, false, "0755 0:0", "0744 0:0", "0744 0:0", "0:0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.copy.Dest, test.copy.Cwd = "/new/dir/", "/"
			os.RemoveAll(filepath.Join(b.root, "new"))
			tr := tree(t, b.context)
			tr.Owned = test.owned
			err := Copy(context.Background(), openRoot(t, b.root), Request{Copy: &test.copy, Items: []Item{
				{Tree: tr, Selection: source.Selection{Sources: []string{"d"}}}}})
			if err != nil {
				t.Fatal(err)
			}
			for rel, want := range map[string]string{"new": test.made, "new/dir": test.made, "new/dir/s": test.dir, "new/dir/s/g": test.file, "new/dir/f": test.file} {
				if got := looks(t, b.root, rel); got != want {
					t.Errorf("%s: got %s, want %s", rel, got, want)
				}
			}
			if got := looks(t, b.root, "new/dir/l"); !strings.HasSuffix(got, " "+test.link) {
				t.Errorf("link: got %s, want %s", got, test.link)
			}
			for _, rel := range []string{"new/dir/s", "new/dir/s/g", "new/dir/f", "new/dir"} {
				if got := stat(t, b.root, rel).Mtim; got.Nano() != old.UnixNano() {
					t.Errorf("%s: modified at %d, want %d", rel, got.Nano(), old.UnixNano())
				}
			}
		})
	}
	for chown, want := range map[string]string{
		"nobody": `cannot find the user "nobody" of --chown: the image's /etc/passwd does not have it`,
		"app:no": `cannot find the group "no" of --chown: the image's /etc/group does not have it`,
		"app:":   `invalid --chown "app:": there is no group after the colon`,
	} {
		if err := b.copy(recipe.Copy{Chown: chown}, "d", "/new"); fmt.Sprint(err) != want {
			t.Errorf("--chown=%s: got %v, want %s", chown, err, want)
		}
	}
}

func TestHereDocuments(t *testing.T) {
	for _, test := range []struct{ name, dest, docs, want, one, err string }{
		{"to a file", "/n", "EOF", "n=data of EOF", "n", ""},
		{"to a directory", "/n/", "EOF other", "n/ n/EOF=data of EOF n/other=data of other", "n/other", ""},
		{"several to a file", "/n", "EOF other", "", "", `cannot copy several files to "/n": end the destination with a slash if it is to be a directory`},
		{"a name with directories", "/n/", "../../x", "n/ n/x=data of ../../x", "n/x", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t)
			c := recipe.Copy{Dest: test.dest, Cwd: "/", Chown: "3:4"}
			for _, name := range strings.Fields(test.docs) {
				c.Contents = append(c.Contents, instructions.SourceContent{Path: name, Data: "data of " + name})
			}
			err := Copy(context.Background(), openRoot(t, b.root), Request{Copy: &c})
			if test.err != "" {
				if fmt.Sprint(err) != test.err {
					t.Errorf("got %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := show(t, b.root); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if got := looks(t, b.root, test.one); got != "0644 3:4" {
				t.Errorf("%s: got %s, want 0644 3:4", test.one, got)
			}
		})
	}
}
