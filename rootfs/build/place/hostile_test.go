package place

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/build/recipe"
	"skiff/rootfs/build/source"
)

func TestContextsDoNotReachOutside(t *testing.T) {
	b := newBed(t)
	outside := t.TempDir()
	write(t, outside, map[string]string{"secret": "outside"})
	write(t, b.context, map[string]string{
		"d/abs>" + outside + "/secret": "", "d/up>../../../../../../../.." + outside + "/secret": "",
		"dir>" + outside: "", "abs>" + outside + "/secret": "",
	})
	for _, src := range []string{"abs", "dir", "dir/secret", "dir/*", "d/abs", "d/up", ".." + outside + "/secret"} {
		err := b.copy(recipe.Copy{}, src, "/n/")
		if err == nil && !strings.Contains(src, "*") {
			t.Errorf("COPY %s: no error, want not found", src)
		}
	}
	// As a part of a directory links are copied as they are.
	if err := b.copy(recipe.Copy{}, "d", "/n/"); err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(show(t, b.root)) {
		if strings.HasSuffix(word, "=outside") {
			t.Errorf("a file from outside was copied: %s", word)
		}
	}
}

func TestSpecialFilesOfAContext(t *testing.T) {
	b := newBed(t)
	write(t, b.context, map[string]string{"d/a": "A"})
	fifo, sock := filepath.Join(b.context, "d/fifo"), filepath.Join(b.context, "d/sock")
	if err := errors.Join(unix.Mkfifo(fifo, 0o640), unix.Mknod(sock, unix.S_IFSOCK|0o600, 0)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := tree(t, b.context).Digest(source.Selection{Sources: []string{"d"}})
		if err == nil {
			err = b.copy(recipe.Copy{Add: true}, "d", "d/fifo", "/n/")
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a FIFO blocks")
	}
	if got, want := show(t, b.root), "n/ n/a=A n/fifo=p---------"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := looks(t, b.root, "n/fifo"); got != "0640 0:0" {
		t.Errorf("fifo: got %s", got)
	}
}

func TestLinksHolesAndAttributesAreKept(t *testing.T) {
	b := newBed(t)
	write(t, b.context, map[string]string{"d/a": "A", "d/s/x": ""})
	at := func(name string) string { return filepath.Join(b.context, name) }
	caps := string([]byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	err := errors.Join(os.Link(at("d/a"), at("d/s/hard")), os.Truncate(at("d/s/x"), 1<<40),
		unix.Setxattr(at("d/a"), "user.color", []byte("blue"), 0),
		unix.Setxattr(at("d/a"), "security.capability", []byte(caps), 0),
		unix.Setxattr(at("d/s"), "user.color", []byte("red"), 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.copy(recipe.Copy{Chown: "5"}, "d", "/n"); err != nil {
		t.Fatal(err)
	}
	if one, two := stat(t, b.root, "n/a"), stat(t, b.root, "n/s/hard"); one.Ino != two.Ino {
		t.Error("a hard link became a copy")
	}
	if st := stat(t, b.root, "n/s/x"); st.Size != 1<<40 || st.Blocks > 64 {
		t.Errorf("a hole: got size %d in %d blocks", st.Size, st.Blocks)
	}
	for _, name := range []string{"user.color", "security.capability"} {
		if n, err := unix.Getxattr(filepath.Join(b.root, "n/a"), name, make([]byte, 100)); err == nil {
			t.Errorf("a context's %s came along, %d bytes", name, n)
		}
	}
	b.copyOwned(recipe.Copy{Chown: "5", Dest: "/o", Cwd: "/"}, "d")
	for name, want := range map[string]string{"o/a user.color": "blue", "o/s user.color": "red", "o/a security.capability": caps} {
		path, attr, _ := strings.Cut(name, " ")
		buf := make([]byte, 100)
		n, err := unix.Getxattr(filepath.Join(b.root, path), attr, buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("%s: got %q, %v, want %q", name, buf[:max(n, 0)], err, want)
		}
	}
}

// copyOwned copies from the context as if it were a stage.
func (b *bed) copyOwned(c recipe.Copy, sources ...string) {
	b.t.Helper()
	tr, err := source.Directory(b.context, "stage", nil, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer tr.Close()
	tr.Owned = true
	req := Request{Copy: &c, Items: []Item{{Tree: tr, Selection: source.Selection{Sources: sources}}}}
	if err := Copy(context.Background(), openRoot(b.t, b.root), req); err != nil {
		b.t.Fatal(err)
	}
}

func TestFilesThatChangeAfterTheirDigest(t *testing.T) {
	b := newBed(t)
	write(t, b.context, map[string]string{"d/a": "A", "d/b": "B"})
	tr, err := source.Directory(b.context, "build context", nil, source.OpenDigests(filepath.Join(t.TempDir(), "m")))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	sel := source.Selection{Sources: []string{"d"}}
	if _, err := tr.Digest(sel); err != nil {
		t.Fatal(err)
	}
	req := Request{Copy: &recipe.Copy{Dest: "/n", Cwd: "/"}, Items: []Item{{Tree: tr, Selection: sel}}}
	if err := Copy(context.Background(), openRoot(t, b.root), req); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.context, "d/b"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Copy(context.Background(), openRoot(t, b.root), req); !errors.Is(err, source.ErrChanged) {
		t.Errorf("got %v, want %v", err, source.ErrChanged)
	}
	var changed []string
	req.Changed = func(path string) { changed = append(changed, path) }
	if err := Copy(context.Background(), openRoot(t, b.root), req); err != nil {
		t.Fatal(err)
	}
	if len(changed) != 1 || changed[0] != "d/b" {
		t.Errorf("told of %q, want d/b", changed)
	}
}

func TestFilesThatAreSwappedWhileTheyAreCopied(t *testing.T) {
	b := newBed(t)
	outside := t.TempDir()
	write(t, outside, map[string]string{"secret": "outside"})
	write(t, b.context, map[string]string{"d/f": "inside", "e/f": "inside", "l>" + outside: "", "m>" + outside + "/secret": ""})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	swap := func(one, two string) {
		unix.Renameat2(unix.AT_FDCWD, filepath.Join(b.context, one), unix.AT_FDCWD, filepath.Join(b.context, two), unix.RENAME_EXCHANGE)
	}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			swap("d", "l")
			swap("e/f", "m")
		}
	}()
	for range 300 {
		os.RemoveAll(filepath.Join(b.root, "n"))
		b.copy(recipe.Copy{}, "d", "/n/")
		b.copy(recipe.Copy{}, "e", "/n/e/")
		b.copy(recipe.Copy{}, "d/f", "/n/f")
		if got := show(t, b.root); strings.Contains(got, "=outside") {
			t.Fatalf("a file from outside was copied: %s", got)
		}
	}
	stop()
	<-done
}

func TestGivenUp(t *testing.T) {
	b := newBed(t)
	write(t, b.context, map[string]string{"d/a": "A"})
	ctx, stop := context.WithCancel(context.Background())
	stop()
	err := Copy(ctx, openRoot(t, b.root), Request{Copy: &recipe.Copy{Dest: "/n", Cwd: "/"},
		Items: []Item{{Tree: tree(t, b.context), Selection: source.Selection{Sources: []string{"d"}}}}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestChmod(t *testing.T) {
	const file, dir = unix.S_IFREG, unix.S_IFDIR
	for _, test := range []struct {
		mode       string
		from, want uint32
	}{
		{"644", file | 0o4755, 0o644}, {"0", file | 0o755, 0}, {"07777", file, 0o7777},
		{"u=rwX,go=rX", file | 0o600, 0o644}, {"u=rwX,go=rX", file | 0o711, 0o755}, {"u=rwX,go=rX", dir | 0o700, 0o755},
		{"a+x", file | 0o644, 0o755}, {"+x", file | 0o640, 0o751}, {"-w", file | 0o666, 0o444},
		{"g=u", file | 0o741, 0o771}, {"o=", file | 0o777, 0o770}, {"u+s,g+s,+t", file | 0o755, 0o7755},
		{"u-s", file | 0o4755, 0o755}, {"go-rwx", dir | 0o755, 0o700}, {"u+x-w", file | 0o600, 0o500},
		{"g=rx", dir | 0o2775, 0o2755}, {"=r", file | 0o777, 0o444},
	} {
		c, err := parseChmod(test.mode)
		if err != nil {
			t.Errorf("%s: %v", test.mode, err)
			continue
		}
		if got := c.apply(test.from); got != test.want {
			t.Errorf("%s of %o: got %04o, want %04o", test.mode, test.from, got, test.want)
		}
	}
	for _, bad := range []string{"8", "10000", "0999", "u", "u+q", "rwx", "u+x,", "+x u", "-1"} {
		if _, err := parseChmod(bad); err == nil {
			t.Errorf("--chmod=%s is accepted", bad)
		}
	}
}
