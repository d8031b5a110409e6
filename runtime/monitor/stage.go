package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
)

// stage is a running start stage or exec stage.
type stage struct {
	m       *monitor
	s       *session
	pid     int
	sock    int // to the stage; -1 when it has closed
	w       *watch
	console int // where the terminal arrives; -1 without one

	report  *wire.Stage
	failure *wire.Failure
	fds     []int // that came with the report
	// reported is called once, when report is there; ended when the process is
	// reaped and all its frames are read.
	reported func()
	ended    func(unix.WaitStatus)
}

// stageOptions says how an exec stage is started.
type stageOptions struct {
	verb      string
	terminal  bool
	openStdin bool
	silent    bool // nobody has anything to do with the program's streams
}

// spawnEarly starts the start stage in a mount namespace of its own. It gets its
// streams later, with giveStart.
func (m *monitor) spawnEarly() (*stage, error) {
	st := &stage{m: m, s: m.main, sock: -1, console: -1}
	if err := st.spawn("start-stage", unix.CLONE_NEWNS, [3]int{m.null, m.null, m.null}, false); err != nil {
		return nil, err
	}
	return st, nil
}

// giveStart makes the container's streams and gives the start stage its ends of
// them, or std as they are, and the claim on the container: the stage so outlives
// a monitor that is killed for as long as it undoes what it did.
func (st *stage) giveStart(std []int) error {
	m := st.m
	st.s = m.main
	ends := [3]int{m.null, m.null, m.null}
	var err error
	switch {
	case std != nil:
		ends = [3]int(std)
	case !m.l.Terminal:
		if ends, err = st.s.pipes(m.l.OpenStdin); err != nil {
			return err
		}
	}
	defer m.closeEnds(ends)
	fds := []int{ends[0], ends[1], ends[2], m.alive.Fd()}
	if m.l.Terminal {
		console, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(console[1])
		fds, st.console = append(fds, console[1]), console[0]
	}
	fds = append(fds, m.extra...)
	if err := wire.SendFDs(st.sock, wire.KindBegin, nil, fds); err != nil && !errors.Is(err, unix.EPIPE) {
		return err
	}
	return st.listen()
}

// spawnStage starts an exec stage with the session's streams. On error nothing
// is left.
func (m *monitor) spawnStage(s *session, o stageOptions) (st *stage, err error) {
	st = &stage{m: m, s: s, sock: -1, console: -1}
	ends := [3]int{m.null, m.null, m.null}
	if !o.terminal && !o.silent {
		if ends, err = s.pipes(o.openStdin); err != nil {
			return nil, err
		}
	}
	defer m.closeEnds(ends)
	if err = st.spawn(o.verb, 0, ends, o.terminal); err == nil {
		err = st.listen()
	}
	if err != nil {
		st.close()
		s.closeStreams()
		return nil, err
	}
	return st, nil
}

// spawn starts an internal command of skiff. With console its descriptor 4 is a
// socket for the terminal.
func (st *stage) spawn(verb string, flags uintptr, std [3]int, console bool) error {
	m := st.m
	sock, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(sock[1])
	files := []int{std[0], std[1], std[2], sock[1]}
	st.sock = sock[0]
	if console {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(pair[1])
		files, st.console = append(files, pair[1]), pair[0]
	}
	if st.pid, err = m.run(verb, flags, files); err != nil {
		return fmt.Errorf("cannot run %s: %w", m.p.Engine[0], err)
	}
	m.stages[st.pid] = st
	return nil
}

// listen has the loop take what the stage says. That may have been taken already,
// if a child ended in the same turn.
func (st *stage) listen() (err error) {
	st.w, err = st.m.loop.add(st.sock, unix.EPOLLIN, func(uint32) { st.catchUp() })
	return err
}

// run executes an internal command of skiff.
func (m *monitor) run(verb string, flags uintptr, files []int) (pid int, err error) {
	return m.runOn(verb, m.p.ID, flags, files)
}

// runOn is run for a command about something else than the container.
func (m *monitor) runOn(verb, what string, flags uintptr, files []int) (pid int, err error) {
	argv := append(slices.Clone(m.p.Engine), verb, what)
	attr := &syscall.ProcAttr{Dir: "/", Env: m.env, Sys: &syscall.SysProcAttr{Cloneflags: flags}}
	for _, fd := range files {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	return syscall.ForkExec(argv[0], argv, attr)
}

// receive takes one frame from the stage.
func (st *stage) receive() {
	k, payload, fds, err := wire.ReceiveFDsIn(st.sock, st.m.chunk[:wire.RightsSize])
	st.fds = append(st.fds, fds...)
	if err != nil {
		st.hangUp()
		return
	}
	switch {
	case k == wire.KindStage && st.report == nil:
		var r wire.Stage
		if err := json.Unmarshal(payload, &r); err == nil && r.Pid > 0 {
			st.report = &r
			st.reported()
		}
	case k == wire.KindFailed:
		var f wire.Failure
		if json.Unmarshal(payload, &f) == nil && st.failure == nil {
			st.failure = &f
		}
	}
}

// catchUp takes the frames that have arrived, and waits for none: a process that
// a stage reported may be reaped before the loop comes to the report.
func (st *stage) catchUp() {
	for st.sock >= 0 {
		p := []unix.PollFd{{Fd: int32(st.sock), Events: unix.POLLIN}}
		if n, err := unix.Poll(p, 0); n < 1 || err != nil {
			return
		}
		st.receive()
	}
}

// hangUp closes the connection: the stage takes this as the order to undo what
// it did.
func (st *stage) hangUp() {
	if st.sock >= 0 {
		if st.w != nil {
			st.m.loop.remove(st.w)
		}
		unix.Close(st.sock)
		st.sock = -1
	}
}

// exited is called when the stage was reaped.
func (st *stage) exited(ws unix.WaitStatus) {
	delete(st.m.stages, st.pid)
	if st.sock >= 0 {
		unix.SetNonblock(st.sock, true) // also if somebody else holds the other end
	}
	for st.sock >= 0 {
		st.receive()
	}
	st.ended(ws)
	st.close()
}

func (st *stage) close() {
	st.hangUp()
	if st.console >= 0 {
		unix.Close(st.console)
		st.console = -1
	}
	for _, fd := range st.fds {
		unix.Close(fd)
	}
	st.fds = nil
}

// terminal receives the terminal's controlling side, which is there when the
// stage has reported.
func (st *stage) terminal() (int, error) {
	unix.SetNonblock(st.console, true)
	buf := make([]byte, 4096)
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(st.console, buf, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("cannot receive the terminal: %w", err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) == 0 {
		return -1, fmt.Errorf("cannot receive the terminal: no descriptor came")
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("cannot receive the terminal: no descriptor came")
	}
	if _, err := unix.IoctlGetTermios(fds[0], unix.TCGETS); err != nil {
		unix.Close(fds[0])
		return -1, fmt.Errorf("cannot receive the terminal: not a terminal came")
	}
	return fds[0], nil
}

// unexpected is the failure of a stage that ended without telling why. What a
// crashing program wrote to stderr is the best explanation there is.
func (st *stage) unexpected(verb string, ws unix.WaitStatus) wire.Failure {
	how := fmt.Sprintf("ended with status %d", ws.ExitStatus())
	if ws.Signaled() {
		how = "was ended by signal " + unix.SignalName(ws.Signal())
	}
	msg := fmt.Sprintf("cannot start container: %s %s", verb, how)
	if st.s != nil && len(st.s.outlets) == 2 && st.s.outlets[1].fd >= 0 && st.report == nil {
		buf := make([]byte, 512)
		if n, _ := unix.Read(st.s.outlets[1].fd, buf); n > 0 {
			line, _, _ := bytes.Cut(buf[:n], []byte("\n"))
			msg += ": " + string(line)
		}
	}
	return wire.Failure{Message: msg, Code: 125}
}
