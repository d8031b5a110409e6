package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"skiff/rootfs/transfer"
)

// ExportVolume writes what is in a volume as a tar archive. Podman: volume export.
func (e *Engine) ExportVolume(ctx context.Context, name string, out io.Writer) error {
	if _, err := e.Volumes.Load(name); err != nil {
		return err
	}
	call, err := e.startFiles(ctx, "", FilesRequest{Op: FilesPack, Volume: name, Path: "/"})
	if err == nil {
		if _, err = call.report(); err != nil {
			call.end()
		}
	}
	if err != nil {
		return fmt.Errorf("cannot export volume %q: %w", name, err)
	}
	_, err = io.Copy(out, call.read)
	if err = call.finished(err); err != nil {
		return fmt.Errorf("cannot export volume %q: %w", name, err)
	}
	return nil
}

// ImportVolume unpacks a tar archive, which may be compressed, in a volume; what
// is there and is in the archive too is replaced. Podman: volume import.
func (e *Engine) ImportVolume(ctx context.Context, name string, in io.Reader) error {
	if _, err := e.Volumes.Load(name); err != nil {
		return err
	}
	plain, done, err := transfer.Archive(in)
	if errors.Is(err, transfer.ErrNoArchive) {
		return fmt.Errorf("cannot import into volume %q: it is no tar archive, nor a compressed one", name)
	}
	if err != nil {
		return fmt.Errorf("cannot import into volume %q: %w", name, err)
	}
	defer done()
	call, err := e.startFiles(ctx, "", FilesRequest{Op: FilesUnpack, Volume: name, Path: "/"})
	if err != nil {
		return fmt.Errorf("cannot import into volume %q: %w", name, err)
	}
	written := make(chan error, 1)
	go func() {
		_, err := io.Copy(call.in, plain)
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
	if werr != nil && !errors.Is(werr, syscall.EPIPE) && !errors.Is(werr, os.ErrClosed) {
		err = werr
	}
	if err == nil {
		err = end
	}
	if err != nil {
		return fmt.Errorf("cannot import into volume %q: %w", name, err)
	}
	return nil
}
