package tarball

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"skiff/rootfs/safepath"
	"skiff/rootfs/transfer"
)

// pack makes an archive of headers, the content of each file being its name.
func pack(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = h.Name
			h.Size, h.Mode = int64(len(content)), 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unpack(t *testing.T, archive io.Reader, dir string) error {
	t.Helper()
	a, err := Open(context.Background(), archive)
	if err != nil {
		return err
	}
	defer a.Close()
	root, err := safepath.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return a.Unpack(root, "/", transfer.UnpackOptions{Overwrite: true, KeepTop: true})
}

func TestCompressions(t *testing.T) {
	plain := pack(t, tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "a", Typeflag: tar.TypeReg})
	for _, program := range []string{"cat", "gzip", "bzip2", "xz", "zstd"} {
		cmd := exec.Command(program)
		cmd.Stdin = bytes.NewReader(plain)
		packed, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", program, err)
			continue
		}
		if !Sniff(packed[:min(len(packed), 512)]) {
			t.Errorf("%s: not known by its beginning", program)
		}
		dir := t.TempDir()
		if err := unpack(t, bytes.NewReader(packed), dir); err != nil {
			t.Errorf("%s: %v", program, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(b) != "a" {
			t.Errorf("%s: got %q, %v", program, b, err)
		}
		// Cut off in the middle; a plain one ends where it may.
		if err := unpack(t, bytes.NewReader(packed[:len(packed)/2]), t.TempDir()); err == nil && program != "cat" {
			t.Errorf("%s: half an archive is accepted", program)
		}
	}
}

func TestWhatIsNoArchive(t *testing.T) {
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	fmt.Fprint(z, strings.Repeat("plain text\n", 1000))
	z.Close()
	for name, content := range map[string][]byte{
		"nothing": nil, "text": []byte("FROM scratch\n"), "much text": bytes.Repeat([]byte("text\n"), 1000),
		"compressed text": text.Bytes(), "zeros": make([]byte, 10240), "half a magic number": {0x1f, 0x8b},
		"a broken gzip": {0x1f, 0x8b, 8, 0xff, 0xff}, "a broken xz": []byte("\xfd7zXZ\x00aaaaaaaaaaaaa"),
		"a broken zstd": {0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff}, "a broken bzip2": []byte("BZh9aaaaaaaaaa"),
	} {
		if _, err := Open(context.Background(), bytes.NewReader(content)); !errors.Is(err, ErrNoArchive) {
			t.Errorf("%s: got %v, want ErrNoArchive", name, err)
		}
	}
}

// endless is an archive of one file that never ends, compressed as it is read.
func endless(size int64) io.Reader {
	r, w := io.Pipe()
	go func() {
		z := gzip.NewWriter(w)
		t := tar.NewWriter(z)
		t.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Mode: 0o644, Size: size})
		_, err := io.Copy(t, zeros{})
		w.CloseWithError(err)
	}()
	return r
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestBombsAreRefused(t *testing.T) {
	dir := t.TempDir()
	if err := unpack(t, endless(MaxBytes+1), dir); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file of %d bytes: got %v, want ErrTooLarge", int64(MaxBytes+1), err)
	}
	// Small files, each within bounds.
	headers := []tar.Header{}
	for i := range 20 {
		headers = append(headers, tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg})
	}
	root, err := safepath.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	a, err := Open(context.Background(), bytes.NewReader(pack(t, headers...)))
	if err != nil {
		t.Fatal(err)
	}
	g := guard{archive: a, entries: MaxEntries - 10}
	err = transfer.Unpack(a, root, "/", transfer.UnpackOptions{Admit: g.admit})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d files: got %v, want ErrTooLarge", MaxEntries+10, err)
	}
	// A ratio that no honest archive has.
	b := &Reader{ctx: context.Background(), raw: counter{n: 1000}, read: ratioFrom,
		text: bufio.NewReader(strings.NewReader("x"))}
	if _, err := b.Read(make([]byte, 10)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a kilobyte that becomes a gigabyte: got %v, want ErrTooLarge", err)
	}
}

// interrupted calls stop when some of it has been read.
type interrupted struct {
	io.Reader
	left int
	stop func()
}

func (i *interrupted) Read(p []byte) (int, error) {
	n, err := i.Reader.Read(p)
	if i.left -= n; i.left < 0 {
		i.stop()
	}
	return n, err
}

func TestUnpackingCanBeGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a, err := Open(ctx, &interrupted{endless(1 << 40), 4 << 10, cancel})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	root, err := safepath.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := a.Unpack(root, "/", transfer.UnpackOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
