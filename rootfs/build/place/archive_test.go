package place

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"skiff/rootfs/build/recipe"
	"skiff/rootfs/build/source"
	"skiff/rootfs/transfer"
)

// archive makes a compressed archive; the content of a file is its name.
func archive(t *testing.T, path string, headers ...tar.Header) {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = h.Name
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	if err := errors.Join(w.Close(), z.Close(), os.WriteFile(path, out.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestAddUnpacksArchives(t *testing.T) {
	b := newBed(t)
	old := time.Unix(1000000000, 0)
	archive(t, filepath.Join(b.context, "a.tgz"),
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o700, Uid: 9, Gid: 9},
		tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o2750, Uid: 5, Gid: 6, ModTime: old},
		tar.Header{Name: "d/f", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 5, Gid: 6, ModTime: old},
		tar.Header{Name: "d/h", Typeflag: tar.TypeLink, Linkname: "d/f"},
		tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
	write(t, b.context, map[string]string{"text.tar": "no archive", "b": "B"})
	write(t, b.root, map[string]string{"old/": "", "old/d": "a file", "old/keep": "K"})

	if err := b.copy(recipe.Copy{Add: true}, "a.tgz", "text.tar", "b", "/new/"); err != nil {
		t.Fatal(err)
	}
	if got, want := show(t, filepath.Join(b.root, "new")), "b=B d/ d/f=d/f d/h=d/f l>/etc/passwd text.tar=no archive"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for rel, want := range map[string]string{"new": "0755 0:0", "new/d": "2750 5:6", "new/d/f": "4755 5:6"} {
		if got := looks(t, b.root, rel); got != want {
			t.Errorf("%s: got %s, want %s", rel, got, want)
		}
	}
	for _, rel := range []string{"new/d", "new/d/f"} {
		if got := stat(t, b.root, rel).Mtim.Sec; got != old.Unix() {
			t.Errorf("%s: modified at %d, want %d", rel, got, old.Unix())
		}
	}
	if one, two := stat(t, b.root, "new/d/f").Ino, stat(t, b.root, "new/d/h").Ino; one != two {
		t.Error("a hard link of the archive became two files")
	}

	if err := b.copy(recipe.Copy{Add: true, Chown: "7:8"}, "a.tgz", "/old"); err != nil {
		t.Fatal(err)
	}
	if got, want := show(t, filepath.Join(b.root, "old")), "d/ d/f=d/f d/h=d/f keep=K l>/etc/passwd"; got != want {
		t.Errorf("over what was there: got %s\nwant %s", got, want)
	}
	if got := looks(t, b.root, "old/d/f"); got != "4755 7:8" {
		t.Errorf("with --chown: got %s, want 4755 7:8", got)
	}

	if err := b.copy(recipe.Copy{}, "a.tgz", "/copied"); err != nil {
		t.Fatal(err)
	}
	if st := stat(t, b.root, "copied"); st.Mode&0o170000 != 0o100000 {
		t.Error("COPY unpacks")
	}
}

func TestArchivesDoNotLeaveTheRoot(t *testing.T) {
	for name, headers := range map[string][]tar.Header{
		"dots":                           {{Name: "../out", Typeflag: tar.TypeReg}},
		"dots deep down":                 {{Name: "a/../../out", Typeflag: tar.TypeReg}},
		"a hard link out":                {{Name: "x", Typeflag: tar.TypeLink, Linkname: "../victim"}},
		"a hard link to an absolute one": {{Name: "x", Typeflag: tar.TypeLink, Linkname: "/victim"}},
		"a file through a link": {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../../.."},
			{Name: "l/out", Typeflag: tar.TypeReg}},
		"a file through an absolute link": {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUTSIDE"},
			{Name: "l/victim", Typeflag: tar.TypeReg}},
		"a file over a link": {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUTSIDE/victim"},
			{Name: "l", Typeflag: tar.TypeReg}},
		"a hard link to a link that is written": {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUTSIDE/victim"},
			{Name: "m", Typeflag: tar.TypeLink, Linkname: "l"}, {Name: "m", Typeflag: tar.TypeReg}},
		"a directory's mode through a link": {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUTSIDE"},
			{Name: "l/", Typeflag: tar.TypeDir, Mode: 0o777}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			outside := t.TempDir()
			write(t, outside, map[string]string{"victim": "untouched"})
			if err := os.Chmod(outside, 0o700); err != nil {
				t.Fatal(err)
			}
			for i, h := range headers {
				headers[i].Linkname = string(bytes.ReplaceAll([]byte(h.Linkname), []byte("OUTSIDE"), []byte(outside)))
			}
			archive(t, filepath.Join(b.context, "a"), headers...)
			// Whether it is refused or contained is another matter.
			if err := b.copy(recipe.Copy{Add: true}, "a", "/d/"); err != nil {
				t.Log(err)
			}
			if got := show(t, outside); got != "victim=untouched" {
				t.Errorf("outside is now %s", got)
			}
			if got := looks(t, outside); got[:4] != "0700" {
				t.Errorf("outside has mode %s", got)
			}
			if st := stat(t, outside, "victim"); st.Nlink != 1 {
				t.Error("victim got another name")
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(b.root), "out")); left != nil {
				t.Errorf("%v was made beside the root", left)
			}
		})
	}
}

func TestArchivesNamingFilesOutsideAreErrors(t *testing.T) {
	b := newBed(t)
	archive(t, filepath.Join(b.context, "a"), tar.Header{Name: "../out", Typeflag: tar.TypeReg})
	if err := b.copy(recipe.Copy{Add: true}, "a", "/d/"); !errors.Is(err, transfer.ErrOutside) {
		t.Errorf("got %v, want %v", err, transfer.ErrOutside)
	}
	if _, _, err := source.Archive(t.Context(), bytes.NewReader([]byte("FROM x\n")), "build context", t.TempDir()); err == nil {
		t.Error("a Dockerfile is accepted as archive")
	}
}
