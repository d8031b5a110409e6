package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
	"skiff/rootfs/transfer"
	"skiff/state/event"
)

// CopyEnd is where files are copied from or to.
type CopyEnd struct {
	// Container is a name or an id; empty means this machine.
	Container string
	// Path is "-" for an archive on standard input or output, where Container is
	// empty.
	Path string
}

func (c CopyEnd) stream() bool { return c.Container == "" && c.Path == "-" }

// CopyOptions say how files are copied.
type CopyOptions struct {
	// Own gives what is copied to a container to the user that the container runs
	// as. Docker, Podman: cp --archive.
	Own bool
	// Follow copies what a link leads to, not the link. Docker: cp --follow-link.
	Follow bool
	// Overwrite lets a directory take the place of a file, and the other way round.
	Overwrite bool
	// FromRoot takes relative paths as below the container's root, as Docker does;
	// else they are below its working directory, as with Podman.
	FromRoot bool
	// Progress is told how many bytes have been copied, archive headers included;
	// may be nil.
	Progress func(bytes int64)
}

// CopyError says that one end of a copy is not what it has to be.
type CopyError struct {
	End CopyEnd
	Err error // one of transfer's errors
}

func (e *CopyError) Error() string {
	switch {
	case errors.Is(e.Err, transfer.ErrNotDirectory):
		return fmt.Sprintf("%q is not a directory", e.End.Path)
	case !errors.Is(e.Err, transfer.ErrMissing):
		return e.Err.Error()
	case e.End.Container == "":
		return fmt.Sprintf("%q could not be found on the host: %v", e.End.Path, transfer.ErrMissing)
	}
	return fmt.Sprintf("%q could not be found on container %s: %v", e.End.Path, e.End.Container, transfer.ErrMissing)
}

func (e *CopyError) Unwrap() error { return e.Err }

// at says at which end of a copy an error of Place or of open happened.
func (c CopyEnd) at(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrNotExist):
		err = transfer.ErrMissing
	case errors.Is(err, unix.ENOTDIR):
		err = transfer.ErrNotDirectory
	}
	for _, kind := range []error{transfer.ErrMissing, transfer.ErrDirOverFile, transfer.ErrArchiveOverFile, transfer.ErrNotDirectory} {
		if errors.Is(err, kind) {
			return &CopyError{c, kind}
		}
	}
	return err
}

// Copy copies files between a container and this machine, or between containers.
func (e *Engine) Copy(ctx context.Context, from, to CopyEnd, opt CopyOptions, s Streams) (err error) {
	src, err := e.copySide(from, opt)
	if err != nil {
		return err
	}
	dst, err := e.copySide(to, opt)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil && src.id != "" {
			e.noteID(src.id, event.Copy, "path", src.inside, "direction", "out")
		}
		if err == nil && dst.id != "" {
			e.noteID(dst.id, event.Copy, "path", dst.inside, "direction", "in")
		}
	}()
	switch {
	case src.id == "" && dst.id == "":
		return errors.New("cannot copy: one of the paths must be in a container, as CONTAINER:PATH")
	case src.id == "":
		return e.copyIn(ctx, src, dst, opt, s)
	case dst.id == "":
		return e.copyOut(ctx, src, dst, opt, s)
	}
	return e.copyAcross(ctx, src, dst, opt)
}

// side is one end of a copy whose container was looked up.
type side struct {
	CopyEnd
	id string
	// inside is the absolute path in the container, with its last slash or dot.
	inside string
}

func (e *Engine) copySide(end CopyEnd, opt CopyOptions) (side, error) {
	s := side{CopyEnd: end}
	if end.Container == "" {
		return s, nil
	}
	id, err := e.Store.Find(end.Container)
	if err != nil {
		return s, err
	}
	s.id, s.inside = id, end.Path
	if strings.HasPrefix(end.Path, "/") {
		return s, nil
	}
	dir := "/"
	if !opt.FromRoot {
		cfg, err := e.Store.Load(id)
		if err != nil {
			return s, err
		}
		dir = cfg.Process.Cwd
	}
	s.inside = strings.TrimSuffix(path.Join("/", dir), "/") + "/" + end.Path
	return s, nil
}

// counter counts what is copied.
type counter struct {
	io.Writer
	tell  func(int64)
	total int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if c.total += int64(n); c.tell != nil {
		c.tell(c.total)
	}
	return n, err
}

// copyIn copies from this machine to a container.
func (e *Engine) copyIn(ctx context.Context, from, to side, opt CopyOptions, s Streams) error {
	source := transfer.Source{Archive: true}
	var write func(io.Writer) error
	if from.stream() {
		plain, done, err := transfer.Archive(s.In)
		if err != nil {
			return err
		}
		defer done()
		write = func(w io.Writer) error {
			_, err := io.Copy(w, plain)
			return err
		}
	} else {
		top, err := openHost(from.Path, opt.Follow)
		if err != nil {
			return from.at(err)
		}
		defer top.Close()
		if source, err = hostSource(top, from.Path); err != nil {
			return from.at(err)
		}
		write = func(w io.Writer) error { return transfer.Pack(w, top, ".", e.warn) }
	}
	return e.unpackInto(ctx, to, source, opt, write)
}

// unpackInto has a container take the archive that write writes.
func (e *Engine) unpackInto(ctx context.Context, to side, source transfer.Source, opt CopyOptions, write func(io.Writer) error) error {
	call, err := e.startFiles(ctx, to.id, FilesRequest{
		Op: FilesUnpack, Path: to.inside, Source: source, Own: opt.Own, Overwrite: opt.Overwrite,
	})
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		err := write(&counter{Writer: call.in, tell: opt.Progress})
		if err != nil {
			call.abandon()
		} else {
			err = call.in.Close()
		}
		written <- err
	}()
	report, err := call.report()
	end := call.end()
	werr := <-written
	for _, w := range report.Warnings {
		e.warn(w)
	}
	switch {
	case werr != nil && !errors.Is(werr, syscall.EPIPE) && !errors.Is(werr, os.ErrClosed):
		return fmt.Errorf("cannot copy to container %s: %w", to.Container, werr)
	case err != nil:
		var place *CopyError
		if at := to.at(err); !strings.HasPrefix(err.Error(), "error creating") && errors.As(at, &place) {
			return at
		}
		return fmt.Errorf("copying to container %s: %w", to.Container, err)
	}
	return end
}

// abandon ends the archive that is being written to the command before its end,
// so that the command fails.
func (c *filesCall) abandon() { c.in.Close() }

// packFrom begins to read an archive from a container.
func (e *Engine) packFrom(ctx context.Context, from side, opt CopyOptions, named bool) (*filesCall, transfer.Source, error) {
	call, err := e.startFiles(ctx, from.id, FilesRequest{Op: FilesPack, Path: from.inside, Follow: opt.Follow, Named: named})
	if err != nil {
		return nil, transfer.Source{}, err
	}
	report, err := call.report()
	if err != nil {
		call.end()
		return nil, transfer.Source{}, from.at(err)
	}
	return call, report.Source, nil
}

// finished joins what both ends of a copy say: where the archive broke off, its
// writer knows why.
func (c *filesCall) finished(err error) error {
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.end()
		return err
	}
	if end := c.end(); end != nil {
		return end
	}
	return err
}

// copyOut copies from a container to this machine.
func (e *Engine) copyOut(ctx context.Context, from, to side, opt CopyOptions, s Streams) error {
	call, source, err := e.packFrom(ctx, from, opt, to.stream())
	if err != nil {
		return err
	}
	count := &counter{Writer: io.Discard, tell: opt.Progress}
	archive := io.TeeReader(call.read, count)
	if to.stream() {
		_, err := io.Copy(s.Out, archive)
		return call.finished(err)
	}
	return call.finished(e.unpackHere(archive, source, to, opt))
}

func (e *Engine) unpackHere(archive io.Reader, source transfer.Source, to side, opt CopyOptions) error {
	dst, err := hostPath(to.Path)
	if err != nil {
		return to.at(err)
	}
	if st, err := os.Stat(dst); err == nil && !st.IsDir() && !st.Mode().IsRegular() {
		return fmt.Errorf("invalid destination: %q must be a directory or a regular file", to.Path)
	}
	place, err := transfer.Place(source, dst, lookHost)
	if err != nil {
		return to.at(err)
	}
	dir, base := filepath.Split(place.Base)
	if place.KeepTop {
		dir, base = place.Base, "/"
	}
	root, err := safepath.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	err = transfer.Unpack(archive, root, base, transfer.UnpackOptions{
		Owner:     &transfer.Owner{UID: os.Geteuid(), GID: os.Getegid()},
		Overwrite: opt.Overwrite, Untrusted: true, KeepTop: place.KeepTop, Warn: e.warn,
	})
	if err != nil {
		return fmt.Errorf("copying to %q on the host: %w", dir, err)
	}
	return nil
}

// copyAcross copies between containers. Two copies in one container that does
// not run cannot be at work at once, so what is read from it waits in a file.
func (e *Engine) copyAcross(ctx context.Context, from, to side, opt CopyOptions) error {
	call, source, err := e.packFrom(ctx, from, opt, false)
	if err != nil {
		return err
	}
	st, err := e.status(ctx, from.id)
	if err != nil {
		return call.finished(err)
	}
	if from.id == to.id && !st.Phase.Present() {
		spool, err := os.CreateTemp("", "skiff-cp-")
		if err != nil {
			return call.finished(err)
		}
		defer spool.Close()
		os.Remove(spool.Name())
		_, err = io.Copy(spool, call.read)
		if err := call.finished(err); err != nil {
			return err
		}
		if _, err := spool.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return e.unpackInto(ctx, to, source, opt, func(w io.Writer) error {
			_, err := io.Copy(w, spool)
			return err
		})
	}
	return call.finished(e.unpackInto(ctx, to, source, opt, func(w io.Writer) error {
		_, err := io.Copy(w, call.read)
		return err
	}))
}

// openHost opens a path of this machine's with O_PATH.
func openHost(p string, follow bool) (*os.File, error) {
	flags := unix.O_PATH
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	return os.OpenFile(p, flags, 0)
}

func hostSource(top *os.File, p string) (transfer.Source, error) {
	st, err := top.Stat()
	if err != nil {
		return transfer.Source{}, err
	}
	abs, err := hostPath(p)
	if err != nil {
		return transfer.Source{}, err
	}
	name, contents := transfer.BaseName(abs)
	return transfer.Source{Name: name, Dir: st.IsDir(), Contents: contents}, nil
}

// hostPath makes a path absolute and keeps its last slash or dot.
func hostPath(p string) (string, error) {
	if p == "" {
		return "", os.ErrNotExist
	}
	abs, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	switch {
	case path.Base(p) == "." && !strings.HasSuffix(p, "/"):
		return strings.TrimSuffix(abs, "/") + "/.", nil
	case strings.HasSuffix(p, "/") && abs != "/":
		return abs + "/", nil
	}
	return abs, nil
}

// lookHost follows links on this machine.
func lookHost(p string) (transfer.Found, error) {
	p = filepath.Clean(p)
	for range 40 {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			st, err := os.Stat(real)
			return transfer.Found{Exists: err == nil, Dir: err == nil && st.IsDir(), Path: real}, err
		} else if !errors.Is(err, os.ErrNotExist) {
			return transfer.Found{}, err
		}
		target, err := os.Readlink(p)
		if err != nil { // no link, so it is missing
			return transfer.Found{Path: p}, nil
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(p), target)
		}
		p = filepath.Clean(target)
	}
	return transfer.Found{}, &os.PathError{Op: "open", Path: p, Err: unix.ELOOP}
}
