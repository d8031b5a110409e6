package layertar

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// layer makes an upper directory with one of everything.
func makeLayer(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("devices, owners and overlay's marks need root")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	old := time.Unix(1_000_000_000, 5)
	must(t,
		os.MkdirAll(at("b/sub"), 0o755), os.MkdirAll(at("a-b"), 0o700), os.MkdirAll(at("a"), 0o755), os.MkdirAll(at("opaque"), 0o755),
		os.WriteFile(at("b/one"), []byte("content"), 0o644), unix.Chmod(at("b/one"), 0o6755), os.Chown(at("a-b"), 70000, 3_000_000),
		os.Link(at("b/one"), at("b/sub/two")), os.Symlink("../../x", at("b/link")),
		os.WriteFile(at("opaque/file"), []byte("o"), 0o600), os.WriteFile(at("empty"), nil, 0o644),
		os.WriteFile(at("large"), bytes.Repeat([]byte("0123456789abcdef"), 20_000), 0o644),
		os.WriteFile(at("hole"), nil, 0o644), os.Truncate(at("hole"), 1<<20),
		unix.Mkfifo(at("pipe"), 0o600), unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		unix.Mknod(at("gone"), unix.S_IFCHR, 0), os.Link(at("gone"), at("b/gone too")), unix.Mknod(at("socket"), unix.S_IFSOCK|0o600, 0),
		unix.Lsetxattr(at("opaque"), "trusted.overlay.opaque", []byte("y"), 0),
		unix.Lsetxattr(at("b"), "trusted.overlay.origin", []byte("x"), 0),
		unix.Lsetxattr(at("b"), "trusted.other", []byte("x"), 0),
		unix.Lsetxattr(at("b/one"), "user.note", []byte("a\x00b=c\n"), 0),
		unix.Lsetxattr(at("large"), "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0),
		os.WriteFile(at("ümläut "+strings.Repeat("long", 50)), []byte("u"), 0o644), os.WriteFile(at("raw\xff"), []byte("r"), 0o644),
		os.Chtimes(at("large"), old, old),
	)
	return dir
}

// line says what matters of a header.
func line(h *tar.Header) string {
	s := fmt.Sprintf("%c %s %o %d:%d", h.Typeflag, h.Name, h.Mode, h.Uid, h.Gid)
	if h.Size > 0 {
		s += fmt.Sprintf(" size=%d", h.Size)
	}
	if h.Linkname != "" {
		s += " -> " + h.Linkname
	}
	if h.Devmajor+h.Devminor > 0 {
		s += fmt.Sprintf(" dev=%d,%d", h.Devmajor, h.Devminor)
	}
	var attrs []string
	for k := range h.PAXRecords {
		if name, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
			attrs = append(attrs, name)
		}
	}
	slices.Sort(attrs)
	return strings.TrimSpace(s + " " + strings.Join(attrs, " "))
}

func TestEverythingThatALayerHas(t *testing.T) {
	dir := makeLayer(t)
	var b bytes.Buffer
	res, err := Write(context.Background(), &b, dir, Options{})
	must(t, err)
	if want := digest.FromBytes(b.Bytes()).String(); res.DiffID != want || res.Size != int64(b.Len()) {
		t.Errorf("got %s of %d bytes, want %s of %d", res.DiffID, res.Size, want, b.Len())
	}
	var got []string
	tr := tar.NewReader(&b)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		got = append(got, line(h))
		content, err := io.ReadAll(tr)
		must(t, err)
		if h.Typeflag == tar.TypeReg && h.Size > 0 {
			want, err := os.ReadFile(filepath.Join(dir, h.Name))
			must(t, err)
			if !bytes.Equal(content, want) {
				t.Errorf("%s: %d bytes that are not the file's", h.Name, len(content))
			}
		}
		if h.Uname != "" || h.Gname != "" || h.ModTime.Nanosecond() != 0 {
			t.Errorf("%s: got user %q, group %q, time %v", h.Name, h.Uname, h.Gname, h.ModTime)
		}
	}
	long := strings.Repeat("long", 50)
	want := []string{
		"5 a/ 755 0:0", "5 a-b/ 700 70000:3000000", "5 b/ 755 0:0", "0 b/.wh.gone too 0 0:0",
		"2 b/link 777 0:0 -> ../../x", "0 b/one 6755 0:0 size=7 user.note", "5 b/sub/ 755 0:0", "1 b/sub/two 6755 0:0 -> b/one",
		"0 empty 644 0:0", "0 .wh.gone 0 0:0", "0 hole 644 0:0 size=1048576", "0 large 644 0:0 size=320000 security.capability",
		"3 null 644 0:0 dev=1,3", "5 opaque/ 755 0:0", "0 opaque/.wh..wh..opq 0 0:0", "0 opaque/file 600 0:0 size=1",
		"6 pipe 600 0:0", "0 raw\xff 644 0:0 size=1", "0 ümläut " + long + " 644 0:0 size=1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSplitIsWhatTarSplitReads(t *testing.T) {
	dir := makeLayer(t)
	var whole, split, theirs bytes.Buffer
	_, err := Write(context.Background(), &whole, dir, Options{})
	must(t, err)
	res, err := Digest(context.Background(), dir, Options{}, &split)
	must(t, err)
	if want := digest.FromBytes(whole.Bytes()).String(); res.DiffID != want {
		t.Errorf("Digest gives %s, Write %s", res.DiffID, want)
	}
	again := asm.NewOutputTarStream(storage.NewPathFileGetter(dir), storage.NewJSONUnpacker(bytes.NewReader(split.Bytes())))
	defer again.Close()
	got, err := io.ReadAll(again)
	must(t, err)
	if !bytes.Equal(got, whole.Bytes()) {
		t.Errorf("put together again: %d bytes that differ from the %d written", len(got), whole.Len())
	}
	in, err := asm.NewInputTarStream(&whole, storage.NewJSONPacker(&theirs), storage.NewDiscardFilePutter())
	must(t, err)
	_, err = io.Copy(io.Discard, in)
	must(t, err)
	if a, b := files(t, &split), files(t, &theirs); !slices.Equal(a, b) {
		t.Errorf("files: got\n%s\nwant\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// files are the entries of files in a description.
func files(t *testing.T, r io.Reader) (list []string) {
	t.Helper()
	u := storage.NewJSONUnpacker(r)
	for {
		e, err := u.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		must(t, err)
		if e.Type == storage.FileType {
			list = append(list, fmt.Sprintf("%q %d %x", e.GetName(), e.Size, e.Payload))
		}
	}
}

func TestEpochIsTheLatestTime(t *testing.T) {
	dir := makeLayer(t)
	epoch := time.Unix(1_200_000_000, 0)
	var b bytes.Buffer
	_, err := Write(context.Background(), &b, dir, Options{Epoch: &epoch})
	must(t, err)
	first := digest.FromBytes(b.Bytes())
	tr, times := tar.NewReader(&b), map[int64]int{}
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		times[h.ModTime.Unix()]++
	}
	if len(times) != 3 || times[1_000_000_000] != 1 || times[0] != 3 { // the old file, and the marks
		t.Errorf("got times %v", times)
	}
	must(t, os.Chtimes(dir+"/empty", time.Now(), time.Now()))
	res, err := Digest(context.Background(), dir, Options{Epoch: &epoch}, nil)
	must(t, err)
	if res.DiffID != first.String() {
		t.Error("the digest depends on times after the epoch")
	}
}

func TestRefusedNames(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/.wh.x", nil, 0o600))
	_, err := Digest(context.Background(), dir, Options{}, nil)
	if err == nil || !strings.Contains(err.Error(), `".wh.x": no image can hold a name that begins with ".wh."`) {
		t.Errorf("got %v", err)
	}
}

func TestOutputThatBreaks(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/large", make([]byte, 8<<20), 0o600))
	if _, err := Write(context.Background(), broken{}, dir, Options{}); err == nil {
		t.Error("got no error of an output that breaks")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Digest(ctx, dir, Options{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func BenchmarkDigest(b *testing.B) {
	many, one := b.TempDir(), b.TempDir()
	for i := range 10_000 {
		if i%100 == 0 {
			must(b, os.Mkdir(fmt.Sprintf("%s/%d", many, i/100), 0o755))
		}
		must(b, os.WriteFile(fmt.Sprintf("%s/%d/%d", many, i/100, i), make([]byte, 4000), 0o644))
	}
	must(b, os.WriteFile(one+"/file", make([]byte, 50<<20), 0o644))
	for name, dir := range map[string]string{"10000 files": many, "50 MB": one} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := Digest(context.Background(), dir, Options{}, io.Discard)
				must(b, err)
			}
		})
	}
}
