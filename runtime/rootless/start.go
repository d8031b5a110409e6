package rootless

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Options say how Start starts a program.
type Options struct {
	// Dir is the working directory; empty means the caller's.
	Dir string
	// Setsid gives the program a session of its own.
	Setsid bool
	// Warn is told, in one line each, what the namespace cannot do; may be nil.
	Warn func(string)
	// Join is the user namespace of another program that Start started, to be used
	// in place of a fresh one; nil means a fresh one. Not closed.
	Join *os.File
}

// Process is a program that runs in its own user namespace.
type Process struct {
	*os.Process
	// PidFD names the process for good; close-on-exec, the caller's to close.
	PidFD *os.File
}

// Start starts argv, whose first element is a path, in a fresh user and mount
// namespace in which the calling user is root and all of its subordinate ids
// are mapped. The program's descriptors 0, 1, 2… are files; nil entries are
// closed there.
//
// The program is stopped before its first instruction until the ids are mapped:
// it is root with all capabilities from the beginning.
//
// Postconditions:
//   - on error nothing runs
func Start(argv, env []string, files []*os.File, opts Options) (*Process, error) {
	uid, gid := os.Getuid(), os.Getgid()
	if err := checkAppArmor(); err != nil {
		return nil, err
	}
	m, err := MappingOf(uid, gid)
	if err != nil {
		return nil, err
	}
	if m.Single() && opts.Warn != nil {
		opts.Warn(fmt.Sprintf("user %d has no range in %s and %s: only files of one owner can be used (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s)",
			uid, subUIDFile, subGIDFile, cmp.Or(userName(uid), "USER")))
	}
	if opts.Join != nil {
		return enter(opts.Join, argv, withMarker(env, uid), files, opts)
	}
	var p *Process
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Only the thread that started the program may let it go on.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p, err = startStopped(argv, withMarker(env, uid), files, opts)
		if err != nil {
			return
		}
		if err = release(p.Pid, m); err != nil {
			p.Kill()
			p.Wait()
			p.PidFD.Close()
		}
	}()
	<-done
	if err != nil {
		return nil, err
	}
	return p, nil
}

// startStopped starts the program under ptrace, so that it stops when it has
// been executed. It keeps its capabilities across that, while its user id is
// still unmapped, because they are ambient.
func startStopped(argv, env []string, files []*os.File, opts Options) (*Process, error) {
	pidfd := -1
	attr := &os.ProcAttr{Dir: opts.Dir, Env: env, Files: files, Sys: &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		AmbientCaps: allCapabilities(),
		Ptrace:      true,
		Setsid:      opts.Setsid,
		PidFD:       &pidfd,
	}}
	proc, err := os.StartProcess(argv[0], argv, attr)
	if err != nil {
		return nil, explainClone(argv[0], err)
	}
	p := &Process{Process: proc}
	if pidfd < 0 {
		pidfd, err = unix.PidfdOpen(proc.Pid, 0) // our child, not yet waited for
	}
	if err == nil {
		p.PidFD = os.NewFile(uintptr(pidfd), "pidfd")
		err = waitStopped(proc.Pid)
	}
	if err != nil {
		proc.Kill()
		proc.Wait()
		if p.PidFD != nil {
			p.PidFD.Close()
		}
		return nil, fmt.Errorf("cannot start %s in a user namespace: %w", argv[0], err)
	}
	return p, nil
}

func waitStopped(pid int) error {
	for {
		var ws unix.WaitStatus
		_, err := unix.Wait4(pid, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if !ws.Stopped() {
			return fmt.Errorf("it ended at once (status %d)", ws.ExitStatus())
		}
		return unix.PtraceSetOptions(pid, unix.PTRACE_O_EXITKILL)
	}
}

// release maps the ids and lets the program go.
func release(pid int, m Mapping) error {
	if err := m.apply(pid); err != nil {
		return err
	}
	if err := unix.PtraceDetach(pid); err != nil {
		return fmt.Errorf("cannot start in a user namespace: %w", err)
	}
	return nil
}

// apply writes the maps of the process's namespace. More than the own id takes
// the setuid programs newuidmap and newgidmap, which check /etc/subuid.
func (m Mapping) apply(pid int) error {
	if m.Single() {
		return m.applySingle(pid)
	}
	uidErr := make(chan error, 1)
	go func() { uidErr <- runMapper("newuidmap", pid, m.UIDs) }()
	gidErr := runMapper("newgidmap", pid, m.GIDs)
	if err := <-uidErr; err != nil {
		return err
	}
	return gidErr
}

func (m Mapping) applySingle(pid int) error {
	proc := "/proc/" + strconv.Itoa(pid)
	for _, f := range [][2]string{{"/uid_map", format(m.UIDs)}, {"/setgroups", "deny"}, {"/gid_map", format(m.GIDs)}} {
		if err := os.WriteFile(proc+f[0], []byte(f[1]), 0); err != nil {
			return fmt.Errorf("cannot map the user's own ids: %w", err)
		}
	}
	return nil
}

func format(ranges []Range) string {
	var b strings.Builder
	for _, r := range ranges {
		fmt.Fprintf(&b, "%d %d %d\n", r.Inside, r.Outside, r.Size)
	}
	return b.String()
}

func runMapper(name string, pid int, ranges []Range) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("cannot map the subordinate ids: %s is not installed (apt install uidmap, or dnf install shadow-utils)", name)
	}
	args := []string{strconv.Itoa(pid)}
	for _, r := range ranges {
		args = append(args, fmt.Sprint(r.Inside), fmt.Sprint(r.Outside), fmt.Sprint(r.Size))
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		if said == "" {
			said = err.Error()
		}
		return fmt.Errorf("cannot map the subordinate ids: %s", strings.TrimPrefix(said, name+": "))
	}
	return nil
}

// allCapabilities is every capability that this kernel knows. A new user
// namespace gives all of them, whatever its maker's bounding set is.
func allCapabilities() []uintptr {
	caps := make([]uintptr, 0, 64)
	for c := uintptr(0); c < 64; c++ {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); err != nil {
			break
		}
		caps = append(caps, c)
	}
	return caps
}
