package transfer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func root(t testing.TB, dir string) *safepath.Root {
	t.Helper()
	r, err := safepath.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// pack packs path of r.
func pack(t testing.TB, r *safepath.Root, path, name string) ([]byte, error) {
	t.Helper()
	top, err := r.Open(path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	var b bytes.Buffer
	err = Pack(&b, top, name, nil)
	return b.Bytes(), err
}

func TestRoundTripKeepsWhatFilesAre(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(from, "tree/sub"), 0o755))
	at := func(name string) string { return filepath.Join(from, "tree", name) }
	write(t, at("file"), "text")
	must(t, os.Chmod(at("file"), 0o4751))
	must(t, os.Link(at("file"), at("sub/hard")))
	must(t, os.Symlink("../nowhere", at("link")))
	must(t, unix.Mkfifo(at("fifo"), 0o640))
	sparse, err := os.Create(at("sparse"))
	must(t, err)
	for _, off := range []int64{1 << 20, 5 << 20} {
		_, err := sparse.WriteAt([]byte("data"), off)
		must(t, err)
	}
	must(t, sparse.Truncate(8<<20+3))
	must(t, sparse.Close())
	write(t, at(strings.Repeat("n", 200)), "long name")
	xattr := unix.Setxattr(at("file"), "user.note", []byte("a=b\n"), 0) == nil
	must(t, os.Chmod(at("sub"), 0o500))
	when := time.Unix(1234567890, 123456789)
	for _, n := range []string{"file", "sparse", "sub", ""} {
		must(t, os.Chtimes(at(n), when, when))
	}

	data, err := pack(t, root(t, from), "/tree", ".")
	must(t, err)
	if len(data) > 1<<20 {
		t.Errorf("the archive of a sparse file has %d bytes", len(data))
	}
	must(t, Unpack(bytes.NewReader(data), root(t, to), "/copy", UnpackOptions{}))

	for _, n := range []string{"", "file", "link", "fifo", "sparse", "sub", "sub/hard", strings.Repeat("n", 200)} {
		var a, b unix.Stat_t
		must(t, unix.Lstat(filepath.Join(from, "tree", n), &a))
		must(t, unix.Lstat(filepath.Join(to, "copy", n), &b))
		if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Mtim != b.Mtim || a.Mode&unix.S_IFMT != unix.S_IFDIR && a.Nlink != b.Nlink {
			t.Errorf("%q: got mode %o owner %d:%d time %v links %d, want %o %d:%d %v %d", n, b.Mode, b.Uid, b.Gid, b.Mtim, b.Nlink, a.Mode, a.Uid, a.Gid, a.Mtim, a.Nlink)
		}
		if a.Mode&unix.S_IFMT == unix.S_IFREG {
			x, _ := os.ReadFile(filepath.Join(from, "tree", n))
			y, _ := os.ReadFile(filepath.Join(to, "copy", n))
			if !bytes.Equal(x, y) {
				t.Errorf("%q: the content differs", n)
			}
		}
	}
	var st unix.Stat_t
	must(t, unix.Lstat(filepath.Join(to, "copy/sparse"), &st))
	if st.Blocks*512 > 1<<20 {
		t.Errorf("the copy of a sparse file takes %d bytes", st.Blocks*512)
	}
	if xattr {
		buf := make([]byte, 10)
		n, err := unix.Getxattr(filepath.Join(to, "copy/file"), "user.note", buf)
		if err != nil || string(buf[:n]) != "a=b\n" {
			t.Errorf("attribute: %q %v", buf[:max(n, 0)], err)
		}
	}
	if target, _ := os.Readlink(filepath.Join(to, "copy/link")); target != "../nowhere" {
		t.Errorf("link leads to %q", target)
	}
}

// archive makes a tar archive of headers; regular files hold "evil".
func archive(t testing.TB, headers ...tar.Header) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		h.Mode = 0o777
		if h.Typeflag == tar.TypeReg {
			h.Size = 4
		}
		must(t, w.WriteHeader(&h))
		if h.Size > 0 {
			_, err := w.Write([]byte("evil"))
			must(t, err)
		}
	}
	must(t, w.Close())
	return &b
}

func TestHostileArchives(t *testing.T) {
	for _, c := range []struct {
		what    string
		headers []tar.Header
		err     error
	}{
		{"a path with ..", []tar.Header{{Name: "../outside/f", Typeflag: tar.TypeReg}}, ErrOutside},
		{"a path with .. inside", []tar.Header{{Name: "a/../../outside/f", Typeflag: tar.TypeReg}}, ErrOutside},
		{"an absolute path", []tar.Header{{Name: "/outside/f", Typeflag: tar.TypeReg}}, nil},
		{"an absolute link and then through it", []tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUT"}, {Name: "l/f", Typeflag: tar.TypeReg}}, nil},
		{"a link with .. and then through it", []tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../../../../../../OUT"}, {Name: "l/f", Typeflag: tar.TypeReg}}, nil},
		{"over a link", []tar.Header{{Name: "f", Typeflag: tar.TypeSymlink, Linkname: "OUT/kept"}, {Name: "f", Typeflag: tar.TypeReg}}, nil},
		{"a hard link with ..", []tar.Header{{Name: "h", Typeflag: tar.TypeLink, Linkname: "../outside/kept"}}, ErrOutside},
		{"a hard link through a link", []tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUT"}, {Name: "h", Typeflag: tar.TypeLink, Linkname: "l/kept"}, {Name: "h", Typeflag: tar.TypeReg}}, os.ErrNotExist},
		{"a directory over a link", []tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUT"}, {Name: "l", Typeflag: tar.TypeDir}}, unix.EEXIST},
		{"the root itself", []tar.Header{{Name: "/", Typeflag: tar.TypeDir}, {Name: ".", Typeflag: tar.TypeDir}, {Name: "", Typeflag: tar.TypeDir}}, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			out := filepath.Join(dir, "outside")
			must(t, os.MkdirAll(filepath.Join(dir, "root/dest"), 0o755))
			must(t, os.Mkdir(out, 0o700))
			write(t, filepath.Join(out, "kept"), "kept")
			for i := range c.headers {
				c.headers[i].Linkname = strings.ReplaceAll(c.headers[i].Linkname, "OUT", out)
			}
			err := Unpack(archive(t, c.headers...), root(t, filepath.Join(dir, "root")), "/dest", UnpackOptions{KeepTop: true})
			if !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Errorf("got error %v, want %v", err, c.err)
			}
			untouched(t, out)
		})
	}
}

// untouched checks that a directory holds the file kept, and nothing was done to it.
func untouched(t testing.TB, out string) {
	t.Helper()
	entries, err := os.ReadDir(out)
	must(t, err)
	text, _ := os.ReadFile(filepath.Join(out, "kept"))
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(out, "kept"), &st))
	if len(entries) != 1 || string(text) != "kept" || st.Nlink != 1 || st.Mode&0o777 != 0o644 {
		t.Errorf("outside of the root: %v, %q, %d links, mode %o", entries, text, st.Nlink, st.Mode)
	}
}

func TestUntrustedLosesRights(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "suid", Typeflag: tar.TypeReg, Mode: 0o6755},
		{Name: "disk", Typeflag: tar.TypeBlock, Devmajor: 8, Mode: 0o666},
		{Name: "caps", Typeflag: tar.TypeReg, Mode: 0o755, PAXRecords: map[string]string{xattrPrefix + "security.capability": "\x01\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}},
	} {
		must(t, w.WriteHeader(h))
	}
	must(t, w.Close())
	var warnings []string
	must(t, Unpack(&b, root(t, dir), "/", UnpackOptions{KeepTop: true, Untrusted: true, Warn: func(s string) { warnings = append(warnings, s) }}))
	if st, err := os.Stat(filepath.Join(dir, "suid")); err != nil || st.Mode() != 0o755 {
		t.Errorf("suid: %v %v", st.Mode(), err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "disk")); !os.IsNotExist(err) || len(warnings) != 1 || !strings.Contains(warnings[0], "device") {
		t.Errorf("disk: %v, warnings %q", err, warnings)
	}
	if n, err := unix.Getxattr(filepath.Join(dir, "caps"), "security.capability", nil); err == nil {
		t.Errorf("capabilities of %d bytes", n)
	}
}

// TestSwappedLinks copies while somebody swaps a directory with a link to what
// is outside. CVE-2018-15664.
func TestSwappedLinks(t *testing.T) {
	dir := t.TempDir()
	top, out := filepath.Join(dir, "root"), filepath.Join(dir, "outside")
	must(t, os.MkdirAll(filepath.Join(top, "a/dir/deep"), 0o755))
	must(t, os.Mkdir(out, 0o755))
	write(t, filepath.Join(out, "kept"), "kept")
	write(t, filepath.Join(top, "a/dir/deep/kept"), "mine")
	must(t, os.Symlink(out, filepath.Join(top, "a/link")))
	stop := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Add(1)
	go func() {
		defer swapper.Done()
		link, deep := filepath.Join(top, "a/link"), filepath.Join(top, "a/dir/deep")
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, link, unix.AT_FDCWD, deep, unix.RENAME_EXCHANGE)
			}
		}
	}()
	r := root(t, top)
	for i := range 400 {
		if data, err := pack(t, r, "/a", "."); err == nil && bytes.Contains(content(t, data), []byte("kept")) {
			t.Fatal("the archive has a file of outside")
		}
		if data, err := pack(t, r, "/a/dir/deep/kept", "."); err == nil && bytes.Contains(content(t, data), []byte("kept")) {
			t.Fatal("the archive is a file of outside")
		}
		name := fmt.Sprintf("new%d", i%3)
		_ = Unpack(archive(t, tar.Header{Name: name, Typeflag: tar.TypeReg}, tar.Header{Name: "kept", Typeflag: tar.TypeReg},
			tar.Header{Name: "d", Typeflag: tar.TypeDir}, tar.Header{Name: "d/p", Typeflag: tar.TypeFifo}), r, "/a/dir/deep", UnpackOptions{KeepTop: true, Overwrite: true, Owner: &Owner{os.Geteuid(), os.Getegid()}})
	}
	close(stop)
	swapper.Wait()
	untouched(t, out)
}

// content is what the files of an archive hold.
func content(t testing.TB, data []byte) []byte {
	t.Helper()
	var all []byte
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		if _, err := r.Next(); err != nil {
			return all
		}
		b, err := io.ReadAll(r)
		must(t, err)
		all = append(all, b...)
	}
}

func TestReadsNothingThatBlocks(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	done := make(chan error, 1)
	go func() {
		_, err := pack(t, root(t, dir), "/", ".")
		done <- err
	}()
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("packing a FIFO waits for its writer")
	}
}

func TestFileOverDirectoryTakesOverwrite(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "d/x"), 0o755))
	write(t, filepath.Join(dir, "f"), "file")
	over := func(overwrite bool) (error, error) {
		opt := UnpackOptions{KeepTop: true, Overwrite: overwrite}
		return Unpack(archive(t, tar.Header{Name: "d", Typeflag: tar.TypeReg}), root(t, dir), "/", opt),
			Unpack(archive(t, tar.Header{Name: "f", Typeflag: tar.TypeDir}), root(t, dir), "/", opt)
	}
	if a, b := over(false); !errors.Is(a, unix.EEXIST) || !errors.Is(b, unix.EEXIST) {
		t.Errorf("without overwrite: %v, %v", a, b)
	}
	if a, b := over(true); a != nil || b != nil {
		t.Errorf("with overwrite: %v, %v", a, b)
	}
	d, _ := os.Lstat(filepath.Join(dir, "d"))
	f, _ := os.Lstat(filepath.Join(dir, "f"))
	if !d.Mode().IsRegular() || !f.IsDir() {
		t.Errorf("d is %v, f is %v", d.Mode(), f.Mode())
	}
}

func TestArchive(t *testing.T) {
	for name, data := range map[string]string{"nothing": "", "text": strings.Repeat("no archive ", 100), "short": "x", "broken gzip": "\x1f\x8bxx"} {
		if _, _, err := Archive(strings.NewReader(data)); err == nil {
			t.Errorf("%s is taken for an archive", name)
		}
	}
	plain, done, err := Archive(archive(t, tar.Header{Name: "f", Typeflag: tar.TypeReg}))
	must(t, err)
	data, err := io.ReadAll(plain)
	must(t, errors.Join(err, done()))
	if string(content(t, data)) != "evil" {
		t.Errorf("the archive holds %q", content(t, data))
	}
}
