package stage

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"skiff/libpod"
	"skiff/libpod/account"
	"skiff/rootfs/layer"
	"skiff/rootfs/safepath"
	"skiff/rootfs/transfer"
	"skiff/runtime/hostfacts"
	"skiff/runtime/sandbox"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/process"
)

// executeFiles starts the internal command files as what the monitor waits for:
// its streams are the caller's.
func executeFiles(id string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, libpod.InternalCommand, os.Args[2], libpod.InternalFiles, id)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	start, err := process.StartTime(cmd.Process.Pid)
	if err != nil {
		return err
	}
	return wire.SendFDs(monitorFD, wire.KindStage, wire.Stage{
		Version: wire.Version, Pid: cmd.Process.Pid, PidStart: start,
	}, nil)
}

// startPatience is how long a container may be between not running and running,
// startPoll how often it is looked at meanwhile.
const (
	startPatience = 10 * time.Second
	startPoll     = 10 * time.Millisecond
)

// filesServer answers one request about a container's files.
type filesServer struct {
	engine *libpod.Engine
	id     string
	req    libpod.FilesRequest
	in     io.Reader
	report libpod.FilesReport
	// cfg, root and pid are the container's; pid is 0 where it does not run.
	cfg  *state.Config
	root *safepath.Root
	pid  int
}

// serveFiles reads a request from standard input and answers on standard output.
func serveFiles(ctx context.Context, e *libpod.Engine, id string) error {
	in := bufio.NewReaderSize(os.Stdin, 64<<10)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return errors.New("there is no request")
	}
	s := &filesServer{engine: e, id: id, in: in}
	if err := json.Unmarshal(line, &s.req); err != nil {
		return fmt.Errorf("cannot understand the request: %w", err)
	}
	if s.req.Op == libpod.FilesChanges {
		return s.answer(s.changes())
	}
	if s.req.Op == libpod.FilesBackup || s.req.Op == libpod.FilesRestore {
		return s.serveBackup(ctx)
	}
	if s.req.Volume != "" {
		return s.serveVolume()
	}
	done, err := s.open(ctx)
	if err != nil {
		return s.answer(err)
	}
	err = s.work()
	return errors.Join(err, done())
}

// answer sends the report.
func (s *filesServer) answer(err error) error {
	if err != nil {
		s.report.Failed(err)
	}
	line, err := json.Marshal(s.report)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(line, '\n'))
	return err
}

func (s *filesServer) warn(line string) { s.report.Warnings = append(s.report.Warnings, line) }

func (s *filesServer) work() error {
	switch s.req.Op {
	case libpod.FilesPack:
		return s.pack()
	case libpod.FilesUnpack:
		return s.answer(s.unpack())
	case libpod.FilesExport:
		return s.export()
	}
	return s.answer(fmt.Errorf("cannot do %q with files", s.req.Op))
}

// open opens the container's root file system, with its mounts, as it is for
// its processes if it runs, or as it would be.
func (s *filesServer) open(ctx context.Context) (done func() error, err error) {
	if s.cfg, err = s.engine.Store.Load(s.id); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startPatience); ; time.Sleep(startPoll) {
		live, err := s.engine.Store.Status(s.id)
		if err != nil {
			return nil, err
		}
		if live.Phase.Present() {
			return s.openRunning(live.Status)
		}
		release, err := s.engine.HoldStill(ctx, s.id)
		if err == nil {
			return s.openStopped(release)
		}
		if !errors.Is(err, libpod.ErrRunning) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("cannot work on the files of container %s: it is being started, try again", s.cfg.Name)
		}
	}
}

// openStopped mounts the files of a container that does not run, and will not until
// release is called.
func (s *filesServer) openStopped(release func()) (done func() error, err error) {
	v, err := newStoppedView(s.engine, s.cfg, s.req.Op != libpod.FilesExport)
	if err != nil {
		release()
		return nil, err
	}
	s.root = v.s.root
	return func() error {
		defer release()
		return v.close()
	}, nil
}

func (s *filesServer) openRunning(st state.Status) (func() error, error) {
	pidfd, err := process.Open(st.Pid, st.PidStart)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pidfd)
	if s.req.Op == libpod.FilesExport {
		box, err := sandbox.Load(s.engine.Roots.Sandboxes(), s.id)
		if err != nil {
			return nil, err
		}
		dir, err := box.RootMount()
		if err != nil {
			return nil, err
		}
		s.root = safepath.NewRoot(dir)
		return s.root.Close, nil
	}
	// The process may end and its number be given away; not while it is the one
	// that pidfd says is alive.
	if s.root, err = safepath.OpenRoot("/proc/" + strconv.Itoa(st.Pid) + "/root"); err != nil {
		return nil, fmt.Errorf("cannot see the files of container %s: %w", s.cfg.Name, err)
	}
	if err := unix.PidfdSendSignal(pidfd, 0, nil, 0); err != nil {
		s.root.Close()
		return nil, process.ErrGone
	}
	s.pid = st.Pid
	return s.root.Close, nil
}

// pack answers with what there is and then writes the archive.
func (s *filesServer) pack() error {
	flags := unix.O_PATH
	if !s.req.Follow {
		flags |= unix.O_NOFOLLOW
	}
	top, err := s.root.Open(s.req.Path, flags)
	if err != nil {
		return s.answer(err)
	}
	defer top.Close()
	st, err := top.Stat()
	if err != nil {
		return s.answer(err)
	}
	name, contents := transfer.BaseName(s.req.Path)
	s.report.Source = transfer.Source{Name: name, Dir: st.IsDir(), Contents: contents}
	if err := s.answer(nil); err != nil {
		return err
	}
	inArchive := "."
	if s.req.Named && !contents {
		inArchive = name
	}
	return s.stream(top, inArchive)
}

// stream writes the archive. What no archive can hold is told at once, since the
// report is gone.
func (s *filesServer) stream(top *os.File, name string) error {
	out := bufio.NewWriterSize(os.Stdout, 128<<10)
	if err := transfer.Pack(out, top, name, nil); err != nil {
		return err
	}
	return out.Flush()
}

func (s *filesServer) export() error {
	top, err := s.root.Open("/", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return s.answer(err)
	}
	defer top.Close()
	if err := s.answer(nil); err != nil {
		return err
	}
	return s.stream(top, "")
}

func (s *filesServer) unpack() error {
	opt := transfer.UnpackOptions{Overwrite: s.req.Overwrite, Warn: s.warn}
	if s.req.Own {
		who, err := account.Resolve(s.root, s.cfg.Process.User, nil)
		if err != nil {
			return err
		}
		opt.Owner = &transfer.Owner{
			UID: mappedID(s.pid, "uid_map", int(who.UID)), GID: mappedID(s.pid, "gid_map", int(who.GID)),
		}
	}
	place, err := transfer.Place(s.req.Source, s.req.Path, s.look)
	if err != nil {
		return err
	}
	opt.KeepTop = place.KeepTop
	err = transfer.Unpack(s.in, s.root, place.Base, opt)
	if errors.Is(err, unix.EROFS) && s.cfg.ReadOnly {
		return fmt.Errorf("container rootfs is marked read-only: %w", err)
	}
	return err
}

// mappedID is the id, as this process knows it, of one of a running container.
// user_namespaces(7).
func mappedID(pid int, file string, id int) int {
	if pid == 0 {
		return id
	}
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/" + file)
	if err != nil {
		return id
	}
	defer f.Close()
	var inside, outside, size int
	for lines := bufio.NewScanner(f); lines.Scan(); {
		n, _ := fmt.Sscan(lines.Text(), &inside, &outside, &size)
		if n == 3 && id >= inside && id-inside < size {
			// In the same namespace the map shows that namespace's own parent.
			if sameUserNamespace(pid) {
				return id
			}
			return outside + id - inside
		}
	}
	return id
}

func sameUserNamespace(pid int) bool {
	ours, err1 := os.Readlink("/proc/self/ns/user")
	theirs, err2 := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/user")
	return err1 == nil && err2 == nil && ours == theirs
}

// look follows links in the container.
func (s *filesServer) look(p string) (transfer.Found, error) {
	real, err := s.root.Resolve(p)
	if err != nil {
		return transfer.Found{}, err
	}
	st, err := s.root.Stat(p)
	switch {
	case errors.Is(err, unix.ENOENT):
		return transfer.Found{Path: real}, nil
	case errors.Is(err, unix.ENOTDIR):
		return transfer.Found{}, transfer.ErrNotDirectory
	case err != nil:
		return transfer.Found{}, err
	}
	return transfer.Found{Exists: true, Dir: st.IsDir(), Path: real}, nil
}

// changes compares the container's files with its image's, or two images'.
func (s *filesServer) changes() (err error) {
	c := s.req.Compare
	if c == nil {
		if c, err = s.comparison(); err != nil {
			return err
		}
	}
	s.report.Changes, err = c.Changes()
	return err
}

func (s *filesServer) comparison() (*layer.Comparison, error) {
	cfg, err := s.engine.Store.Load(s.id)
	if err != nil {
		return nil, err
	}
	c := &layer.Comparison{MountPoints: ownMountPoints()}
	for _, m := range cfg.Mounts {
		c.MountPoints = append(c.MountPoints, m.Target)
	}
	if cfg.Image.ID != "" {
		img, err := s.engine.Images.Load(cfg.Image.ID)
		if err != nil {
			return nil, fmt.Errorf("cannot find the container's image: %w", err)
		}
		c.Old = img.Layers
	}
	c.New = append(slices.Clone(c.Old), s.engine.Roots.Container(s.id).Upper())
	return c, nil
}

// ownMountPoints are where containers have something mounted without being asked.
func ownMountPoints() []string {
	return []string{
		"/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp", "/run/notify", "/run/secrets", "/run/podman-init", "/sbin/docker-init",
		"/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/run/.containerenv", "/.dockerenv",
	}
}

// newStoppedView mounts the files of a container that does not run where only
// this process sees them, with what is mounted in it, if that is asked for.
func newStoppedView(e *libpod.Engine, cfg *state.Config, mounts bool) (_ *stoppedView, err error) {
	v := &stoppedView{s: &starter{engine: e, cfg: cfg, dirs: e.Roots.Container(cfg.ID), facts: hostfacts.New().Facts(), looking: true}}
	if err := v.mountRoot(); err != nil {
		return nil, err
	}
	if mounts {
		err = v.mountAll()
	}
	if err == nil && cfg.ReadOnly {
		err = v.readOnly(true)
	}
	if err != nil {
		return nil, errors.Join(err, v.close())
	}
	return v, nil
}
