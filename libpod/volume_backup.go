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
	"strings"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// What the internal command says on its socket while it makes a backup, and the
// answer: BackupPause asks that containers be paused, BackupPaused has their ids
// behind it, BackupResume lets them go on. Everything else is the report.
const (
	BackupPause  = "pause"
	BackupPaused = "paused"
	BackupResume = "resume"
)

// BackupVolume writes a volume with its record and a checksum to out. The containers
// that use it are paused while what they changed since it began is written again,
// unless pause is false.
func (e *Engine) BackupVolume(ctx context.Context, name string, out *os.File, pause bool) error {
	err := e.backupVolume(ctx, name, out, pause)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return fmt.Errorf("cannot back up volume %q: %w", name, err)
	}
	return err
}

func (e *Engine) backupVolume(ctx context.Context, name string, out *os.File, pause bool) error {
	if _, err := e.Volumes.Load(name); err != nil {
		return err
	}
	users, err := e.VolumeRunning(name)
	if err != nil {
		return err
	}
	call, err := e.startBackup(ctx, FilesRequest{Op: FilesBackup, Volume: name, Live: pause && len(users) > 0}, out)
	if err != nil {
		return err
	}
	for {
		line, err := call.line()
		if err != nil {
			return call.finish(err)
		}
		if line != BackupPause {
			return call.finish(e.backupReport(line))
		}
		if err := e.pauseFor(ctx, name, call); err != nil {
			return call.finish(err)
		}
	}
}

// pauseFor pauses a volume's users until the internal command lets them go on.
func (e *Engine) pauseFor(ctx context.Context, name string, call *backupCall) (err error) {
	users, err := e.VolumeRunning(name)
	if err != nil {
		return err
	}
	var paused []string
	defer func() {
		for _, id := range paused {
			err = errors.Join(err, e.Unpause(context.WithoutCancel(ctx), id))
		}
	}()
	// It lets them go on itself if this process ends meanwhile.
	if err := call.say(BackupPaused + " " + strings.Join(users, " ")); err != nil {
		return err
	}
	for _, id := range users {
		if err := e.Pause(ctx, id); err != nil {
			if st, serr := e.status(ctx, id); serr == nil && st.Phase != state.Running {
				continue // it ended, or somebody paused it
			}
			return err
		}
		paused = append(paused, id)
	}
	if err := call.say(BackupPaused); err != nil {
		return err
	}
	line, err := call.line()
	if err == nil && line != BackupResume {
		err = e.backupReport(line)
	}
	return err
}

func (e *Engine) backupReport(line string) error {
	var r FilesReport
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return fmt.Errorf("cannot understand the answer: %w", err)
	}
	for _, w := range r.Warnings {
		e.warn(w)
	}
	return r.err()
}

// VolumeRunning gives the ids of the containers that run and mount the volume, those
// that are paused not among them.
func (e *Engine) VolumeRunning(name string) ([]string, error) {
	return e.volumeUsersIn(name, func(p state.Phase) bool { return p == state.Running })
}

// VolumeBusy gives the names of the containers that have the volume mounted.
func (e *Engine) VolumeBusy(name string) ([]string, error) {
	ids, err := e.volumeUsersIn(name, state.Phase.Active)
	for i, id := range ids {
		if cfg, err := e.Store.Load(id); err == nil {
			ids[i] = cfg.Name
		}
	}
	return ids, err
}

func (e *Engine) volumeUsersIn(name string, want func(state.Phase) bool) (out []string, err error) {
	users, err := e.volumeUsers()
	if err != nil {
		return nil, err
	}
	for _, id := range users[name] {
		live, err := e.Store.Status(id)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !live.Lost && want(live.Phase) {
			out = append(out, id)
		}
	}
	return out, nil
}

// RestoreVolume makes a volume of a backup. With force it replaces the files of one
// that is there and that no container uses. Nothing changes unless the whole backup
// is there and its checksum is right.
func (e *Engine) RestoreVolume(ctx context.Context, name string, in *os.File, force bool) error {
	_, missing := e.Volumes.Load(name)
	call, err := e.startBackup(ctx, FilesRequest{Op: FilesRestore, Volume: name, Force: force}, in)
	if err == nil {
		var line string
		if line, err = call.line(); err == nil {
			err = e.backupReport(line)
		}
		err = call.finish(err)
	}
	if err != nil {
		return fmt.Errorf("cannot restore volume %q: %w", name, err)
	}
	if errors.Is(missing, state.ErrNotFound) {
		e.noteVolumeCreated(name)
	}
	return nil
}

// backupCall is the internal command at work on a backup.
type backupCall struct {
	socket *os.File
	read   *bufio.Reader
	stderr bytes.Buffer
	told   chan struct{}
	wait   func() error
}

// startBackup starts it with a backup's file, whichever way that goes.
func (e *Engine) startBackup(ctx context.Context, req FilesRequest, backup *os.File) (*backupCall, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	socket, theirs := os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "socket")
	dup, err := unix.FcntlInt(backup.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		closeAll(socket, theirs)
		return nil, err
	}
	file := os.NewFile(uintptr(dup), backup.Name())
	heard, told, err := os.Pipe()
	if err != nil {
		closeAll(socket, theirs, file)
		return nil, err
	}
	c := &backupCall{socket: socket, read: bufio.NewReader(socket), told: make(chan struct{})}
	if c.wait, err = e.runFiles(ctx, "", false, [3]*os.File{theirs, file, told}); err != nil {
		closeAll(socket, theirs, file, heard, told)
		return nil, err
	}
	go func() {
		defer close(c.told)
		io.Copy(&c.stderr, io.LimitReader(heard, 64<<10))
		io.Copy(io.Discard, heard)
		heard.Close()
	}()
	line, err := json.Marshal(req)
	if err == nil {
		err = c.say(string(line))
	}
	if err != nil {
		return nil, c.finish(err)
	}
	return c, nil
}

func (c *backupCall) say(line string) error {
	_, err := c.socket.WriteString(line + "\n")
	return err
}

func (c *backupCall) line() (string, error) {
	line, err := c.read.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// finish ends the command. What it complained about says more than that it ended.
func (c *backupCall) finish(err error) error {
	c.socket.Close()
	werr := c.wait()
	<-c.told
	if errors.Is(err, io.EOF) || err == nil {
		if text, _, _ := strings.Cut(strings.TrimSpace(c.stderr.String()), "\n"); text != "" {
			return errors.New(strings.TrimPrefix(text, "Error: "))
		}
		if errors.Is(err, io.EOF) {
			return errors.New("the process that works on it has ended early")
		}
		return werr
	}
	return err
}
