package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"skiff/rootfs/build/source"
	"skiff/rootfs/build/tarball"
)

// file is a download.
type file struct {
	dir, name string
	Copy
}

// unnamed is what a file is called whose URL names none. BuildKit has the same.
const unnamed = "__unnamed__"

// maxRedirects is how often a server may send us on.
const maxRedirects = 10

func newURL(src string, opt Options) (*Source, error) {
	u, err := url.Parse(src)
	if err == nil && u.Host == "" {
		err = errors.New("it names no host")
	}
	if err != nil {
		return nil, fmt.Errorf("invalid URL %q: %w", src, err)
	}
	if opt.Checksum != "" {
		if err := digest.Digest(opt.Checksum).Validate(); err != nil {
			return nil, fmt.Errorf("invalid checksum %q: it is like sha256:HEX", opt.Checksum)
		}
	}
	return &Source{url: src, opt: opt}, nil
}

// redacted is a URL for messages.
func redacted(src string) string {
	if u, err := url.Parse(src); err == nil {
		return u.Redacted()
	}
	return src
}

// fileName is what the download is called in a directory.
func (s *Source) fileName() string {
	u, err := url.Parse(s.url)
	if err != nil {
		return unnamed
	}
	if name := path.Base(u.Path); name != "." && name != "/" && name != ".." {
		return name
	}
	return unnamed
}

// download gets the file once.
func (s *Source) download(ctx context.Context) (err error) {
	if s.file != nil {
		return nil
	}
	if s.file, err = s.fetch(ctx, Copy{}); err != nil {
		return err
	}
	s.changed = s.same && s.file.Digest != s.opt.Known.Digest
	return nil
}

// fetch gets the file; nil says that it is the known one.
func (s *Source) fetch(ctx context.Context, known Copy) (*file, error) {
	dir, err := s.directory("download-")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, fmt.Errorf("it took more than %v", maxTime))
	defer cancel()
	f := &file{dir: dir, name: s.fileName()}
	same, err := s.get(ctx, f, known)
	switch {
	case err != nil:
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("cannot get %q: %w", redacted(s.url), err)
	case same:
		return nil, nil
	}
	return f, nil
}

// get makes the request. same says that the server still has what is known.
func (s *Source) get(ctx context.Context, f *file, known Copy) (same bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("the server sent nothing for %v", stall)) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("User-Agent", "skiff")
	known.ask(req)
	client := http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("the server sends us on again and again")
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		return false, because(ctx, err)
	}
	defer resp.Body.Close()
	if known.answered(resp) {
		return true, nil
	}
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("the server answered %s", resp.Status)
	}
	return false, because(ctx, s.save(f, resp, watch))
}

// because prefers the reason for which we gave up, and drops the URL that net/http
// puts in front.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// save writes the answer to its file, which has mode 0600 and the time that the
// server gave it, or none: 1970.
func (s *Source) save(f *file, resp *http.Response, watch *time.Timer) error {
	at := filepath.Join(f.dir, f.name)
	out, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	algorithm := digest.Canonical
	if s.opt.Checksum != "" {
		algorithm = digest.Digest(s.opt.Checksum).Algorithm()
	}
	sum := algorithm.Digester()
	in := &bounded{Reader: resp.Body, fd: int(out.Fd()), watch: watch}
	if _, err := io.Copy(io.MultiWriter(out, sum.Hash()), in); err != nil {
		return err
	}
	if resp.ContentLength > 0 && in.n != resp.ContentLength {
		return fmt.Errorf("the server sent %d of %d bytes", in.n, resp.ContentLength)
	}
	f.Copy = copyOf(resp, sum.Digest())
	if s.opt.Checksum != "" && f.Digest != digest.Digest(s.opt.Checksum) {
		return fmt.Errorf("its checksum is %s, not %s", f.Digest, s.opt.Checksum)
	}
	if err := out.Close(); err != nil {
		return err
	}
	modified := time.Unix(0, 0)
	if t, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil && t.Unix() > 0 {
		modified = t
	}
	return os.Chtimes(at, modified, modified)
}

// bounded reads as long as something comes and the file system has room.
type bounded struct {
	io.Reader
	fd      int
	watch   *time.Timer
	n, next int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.n >= b.next {
		b.next = b.n + 32<<20
		if err := tarball.Room(b.fd); err != nil {
			return 0, err
		}
	}
	n, err := b.Reader.Read(p)
	if n > 0 {
		b.watch.Reset(stall)
	}
	b.n += int64(n)
	return n, err
}

// unpackContext makes a context of the download.
func (s *Source) unpackContext(ctx context.Context) (*source.Tree, string, error) {
	in, err := os.Open(filepath.Join(s.file.dir, s.file.name))
	if err != nil {
		return nil, "", err
	}
	defer in.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, "", err
	}
	if !tarball.Sniff(head[:n]) {
		t, err := source.Directory(s.file.dir, redacted(s.url), nil, nil)
		return t, s.file.name, err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, "", err
	}
	t, remove, err := source.Archive(ctx, in, redacted(s.url), s.opt.Scratch)
	if err == nil {
		s.undo = append(s.undo, remove)
	}
	return t, "", err
}
