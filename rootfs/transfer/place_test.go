package transfer

import (
	"errors"
	"path"
	"testing"
)

func TestPlace(t *testing.T) {
	file, dir := Source{Name: "src"}, Source{Name: "src", Dir: true}
	contents, archive := Source{Name: "src", Dir: true, Contents: true}, Source{Archive: true}
	// What there is: the directories / and /d, the file /f, the link /l to /gone,
	// and the link /ld to /d.
	look := func(p string) (Found, error) {
		switch p := path.Clean(p); p {
		case "/", "/d":
			return Found{Exists: true, Dir: true, Path: p}, nil
		case "/ld":
			return Found{Exists: true, Dir: true, Path: "/d"}, nil
		case "/f":
			return Found{Exists: true, Path: p}, nil
		case "/l":
			return Found{Path: "/gone"}, nil
		default:
			return Found{Path: p}, nil
		}
	}
	for _, c := range []struct {
		what string
		src  Source
		dst  string
		want Placement
		err  error
	}{
		{"a file into a directory", file, "/d", Placement{Base: "/d/src"}, nil},
		{"a file into a directory with slash", file, "/d/", Placement{Base: "/d/src"}, nil},
		{"a file through a link to a directory", file, "/ld", Placement{Base: "/d/src"}, nil},
		{"a file onto a file", file, "/f", Placement{Base: "/f"}, nil},
		{"a file onto a file that is said to be a directory", file, "/f/", Placement{}, ErrNotDirectory},
		{"a file with a new name", file, "/d/new", Placement{Base: "/d/new"}, nil},
		{"a file to where a link leads", file, "/l", Placement{Base: "/gone"}, nil},
		{"a file to a directory that is missing", file, "/new/", Placement{}, ErrMissing},
		{"a file to a missing parent", file, "/new/x", Placement{}, ErrMissing},
		{"a file below a file", file, "/f/x", Placement{}, ErrNotDirectory},
		{"a directory into a directory", dir, "/d", Placement{Base: "/d/src"}, nil},
		{"a directory onto a file", dir, "/f", Placement{}, ErrDirOverFile},
		{"a directory with a new name", dir, "/new", Placement{Base: "/new"}, nil},
		{"a directory with a new name with slash", dir, "/new/", Placement{Base: "/new"}, nil},
		{"a directory to a missing parent", dir, "/new/x", Placement{}, ErrMissing},
		{"contents into a directory", contents, "/d", Placement{Base: "/d", KeepTop: true}, nil},
		{"contents into a new directory", contents, "/new", Placement{Base: "/new"}, nil},
		{"an archive into a directory", archive, "/d", Placement{Base: "/d", KeepTop: true}, nil},
		{"an archive onto a file", archive, "/f", Placement{}, ErrArchiveOverFile},
		{"an archive to nowhere", archive, "/new", Placement{}, ErrArchiveOverFile},
	} {
		got, err := Place(c.src, c.dst, look)
		if got != c.want || !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: got %+v, %v, want %+v, %v", c.what, got, err, c.want, c.err)
		}
	}
}

func TestBaseName(t *testing.T) {
	for p, want := range map[string]struct {
		name     string
		contents bool
	}{
		"/a/b": {"b", false}, "/a/b/": {"b", false}, "/a/b/.": {"b", true}, "/a/b.": {"b.", false},
		"/": {"/", true}, "/.": {"/", true}, "/a/..": {"/", true}, "/a/b/..": {"a", false},
	} {
		if name, contents := BaseName(p); name != want.name || contents != want.contents {
			t.Errorf("%q: got %q %v, want %q %v", p, name, contents, want.name, want.contents)
		}
	}
}
