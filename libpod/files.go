package libpod

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"skiff/rootfs/layer"
	"skiff/rootfs/transfer"
	"skiff/runtime/rootless"
	"skiff/state"
)

// What the internal command files does.
const (
	FilesPack    = "pack"    // answers, then writes an archive of Path
	FilesUnpack  = "unpack"  // reads an archive into Path, then answers
	FilesExport  = "export"  // answers, then writes an archive of all but mounts
	FilesChanges = "changes" // answers
	// FilesBackup and FilesRestore write and read a volume's backup. Their standard
	// output is the backup, whichever way it goes; they answer on standard input, a
	// socket, see BackupPause.
	FilesBackup  = "backup"
	FilesRestore = "restore"
)

// FilesRequest is one line of JSON on the command's standard input. An archive
// follows it, or comes after the answer on standard output.
type FilesRequest struct {
	Op string `json:"op"`
	// Volume names a volume whose files it is about instead of a container's.
	Volume string `json:"volume,omitempty"`
	// Path is absolute in the container or volume.
	Path string `json:"path,omitempty"`
	// Follow packs what a link leads to.
	Follow bool `json:"follow,omitempty"`
	// Named calls the top of the archive by its name; else it is ".".
	Named bool `json:"named,omitempty"`
	// Source is what is unpacked.
	Source transfer.Source `json:"source"`
	// Own gives what is unpacked to the container's user.
	Own       bool `json:"own,omitempty"`
	Overwrite bool `json:"overwrite,omitempty"`
	// Live says that containers write to the volume meanwhile; Force replaces one that
	// is there.
	Live  bool `json:"live,omitempty"`
	Force bool `json:"force,omitempty"`
	// Compare are the layers of two images, lowest first, instead of the container's.
	Compare *layer.Comparison `json:"compare,omitempty"`
}

// FilesReport is the answer, one line of JSON.
type FilesReport struct {
	Source   transfer.Source `json:"source"`
	Changes  []layer.Change  `json:"changes,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
	// Failure is what could not be done; Kind one of the kinds of errors that
	// callers tell apart.
	Failure string `json:"failure,omitempty"`
	Kind    string `json:"kind,omitempty"`
}

// kinds of failures, which travel as words.
func failureKinds() map[string]error {
	return map[string]error{
		"missing": transfer.ErrMissing, "dir-over-file": transfer.ErrDirOverFile,
		"archive-over-file": transfer.ErrArchiveOverFile, "not-directory": transfer.ErrNotDirectory,
		"read-only": syscall.EROFS, "exists": state.ErrExists, "in-use": state.ErrInUse, "invalid": state.ErrInvalid,
	}
}

// Failed puts an error into a report.
func (r *FilesReport) Failed(err error) {
	r.Failure = err.Error()
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = errors.Join(err, transfer.ErrMissing)
	case errors.Is(err, syscall.ENOTDIR):
		err = errors.Join(err, transfer.ErrNotDirectory)
	}
	for kind, e := range failureKinds() {
		if errors.Is(err, e) {
			r.Kind = kind
		}
	}
}

// filesError is a failure as the caller sees it: errors.Is finds its kind.
type filesError struct {
	text string
	kind error
}

func (e *filesError) Error() string { return e.text }

func (e *filesError) Unwrap() error { return e.kind }

func (r FilesReport) err() error {
	if r.Failure == "" {
		return nil
	}
	return &filesError{r.Failure, failureKinds()[r.Kind]}
}

// filesCall is the internal command files at work.
type filesCall struct {
	in     *os.File
	out    *os.File
	read   *bufio.Reader
	stderr bytes.Buffer
	told   chan struct{} // closed when stderr is read to its end
	wait   func() error
}

// startFiles has the internal command work on a container's files: in a mount
// namespace of its own, and for an ordinary user in a user namespace, that of the
// container if it runs.
func (e *Engine) startFiles(ctx context.Context, id string, req FilesRequest) (_ *filesCall, err error) {
	running := false
	if id != "" && req.Op != FilesChanges {
		st, err := e.status(ctx, id)
		if err != nil {
			return nil, err
		}
		running = st.Phase.Present()
	}
	var mine, theirs [3]*os.File
	defer func() {
		if err != nil {
			closeAll(append(mine[:], theirs[:]...)...)
		}
	}()
	if theirs[0], mine[0], err = os.Pipe(); err != nil {
		return nil, err
	}
	for i := 1; i < 3; i++ {
		if mine[i], theirs[i], err = os.Pipe(); err != nil {
			return nil, err
		}
	}
	c := &filesCall{in: mine[0], out: mine[1], read: bufio.NewReaderSize(mine[1], 64<<10), told: make(chan struct{})}
	if c.wait, err = e.runFiles(ctx, id, running, theirs); err != nil {
		return nil, fmt.Errorf("cannot work on the container's files: %w", err)
	}
	go func() {
		defer close(c.told)
		io.Copy(&c.stderr, io.LimitReader(mine[2], 64<<10))
		io.Copy(io.Discard, mine[2])
		mine[2].Close()
	}()
	line, err := json.Marshal(req)
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	if err != nil {
		c.end()
		mine = [3]*os.File{}
		theirs = mine
		return nil, fmt.Errorf("cannot work on the container's files: %w", err)
	}
	return c, nil
}

// runFiles starts the command in the place where it can do its work; it takes
// the streams.
func (e *Engine) runFiles(ctx context.Context, id string, running bool, streams [3]*os.File) (wait func() error, err error) {
	if e.Rootless() && running {
		done := make(chan error, 1)
		go func() {
			code, err := e.execByMonitor(ctx, id, id, ExecRequest{Files: true, Interactive: true, Attach: AttachOptions{
				Stdin: streams[0], Stdout: streams[1], Stderr: streams[2],
			}})
			closeAll(streams[:]...)
			if err == nil && code != 0 {
				err = fmt.Errorf("exit status %d", code)
			}
			done <- err
		}()
		return func() error { return <-done }, nil
	}
	argv, err := e.command()
	if err != nil {
		return nil, err
	}
	argv = append(argv, InternalFiles, id)
	if e.Rootless() {
		p, err := rootless.Start(argv, os.Environ(), streams[:], rootless.Options{})
		if err != nil {
			return nil, err
		}
		closeAll(streams[:]...)
		return func() error {
			defer p.PidFD.Close()
			st, err := p.Wait()
			if err == nil && !st.Success() {
				err = errors.New(st.String())
			}
			return err
		}, nil
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = streams[0], streams[1], streams[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	closeAll(streams[:]...)
	return cmd.Wait, nil
}

// report reads the answer.
func (c *filesCall) report() (FilesReport, error) {
	var r FilesReport
	line, err := c.read.ReadBytes('\n')
	if err != nil {
		c.in.Close()
		if end := c.end(); end != nil {
			return r, end
		}
		return r, errors.New("cannot work on the container's files: there is no answer")
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("cannot work on the container's files: %w", err)
	}
	return r, r.err()
}

// end ends the command, whether it is done or not, and tells what it complained
// about.
func (c *filesCall) end() error {
	c.in.Close()
	c.out.Close()
	err := c.wait()
	<-c.told
	text := strings.TrimSpace(c.stderr.String())
	switch {
	case err == nil:
		return nil
	case text == "":
		return fmt.Errorf("cannot work on the container's files: %w", err)
	}
	line, _, _ := strings.Cut(text, "\n")
	return errors.New(strings.TrimPrefix(line, "Error: "))
}
