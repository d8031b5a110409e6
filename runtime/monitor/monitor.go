// Package monitor is the process that stays with a container: it has it
// started, reaps it, keeps its log, serves those who attach, restarts it by its
// policy, takes down what its start set up and records its end.
//
// It knows nothing of namespaces, file systems or networks: those are the start
// stage's, a command of skiff that the monitor executes, see docs/architecture.md.
// It stays small: standard library, x/sys, state, runtime/wire, runtime/logfile,
// runtime/resolver and runtime/teardown only.
//
// Everything happens in one goroutine (see loop), in the order in which a crash
// at any point leaves records that state.Store.Status reads as lost.
package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/logfile"
	"skiff/runtime/resolver"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/lock"
)

// launchFD is the connection to the engine that started this monitor.
const launchFD = 3

// activity is what the monitor does at the moment.
type activity uint8

const (
	starting activity = iota // a start stage is at work
	running                  // the first process runs
	waiting                  // for the next start by the restart policy
	leaving                  // everything is recorded; the last frames are sent
)

type monitor struct {
	loop *loop
	p    wire.Prepare
	l    wire.Launch
	// launch is the text of l, for health stages; empty once that has changed.
	launch []byte
	c      dirs.Container
	env    []string // for skiff's internal commands
	chunk  []byte   // the one buffer that everything is read into
	null   int      // /dev/null
	// direct are the caller's own streams where the container gets those.
	direct []int
	// extra are descriptors of the caller's for the first process.
	extra []int
	alive *lock.Lock
	ctl   int // listening socket
	conns []*conn
	// launcher is the connection that sent the Launch.
	launcher *conn
	// left says that its other end has gone.
	left bool

	doing  activity
	main   *session
	log    *logfile.Writer
	stages map[int]*stage // by process id
	// early is a start stage that waits for its KindBegin.
	early *stage
	// poised is one that waits for OpStart, and poisedFD the first process then, else
	// -1.
	poised   *stage
	poisedFD int
	execs    map[int]*execution // by process id
	reaped   []child            // room for reap
	status   state.Status
	last     *state.Status // of the last run before the present one
	// pid is the first process while it is not reaped, else 0; pending is its
	// wait status where it ended before its start stage did.
	pid     int
	pending *unix.WaitStatus
	oom     *oomWatch
	// reserved are the descriptors that keep published ports from others.
	reserved []int
	// rules learns when packet rules of this run are gone; nil without any.
	rules *ruleWatch
	// helpers are other processes of ours, with what to do at their end.
	helpers  map[int]func(unix.WaitStatus)
	warnings []string // of the start stage, for the launcher

	// resolver answers the container's questions for names, nil without.
	resolver  *resolver.Resolver
	resolving *watch

	health *checks // nil without health check
	// openFiles is the soft limit of open files that Go's package syscall has raised
	// for this process and sets back for those that it starts; 0 if not known.
	openFiles uint64

	restart      restarter
	stopping     bool // by the user: no restart
	halted       bool // by its health action: no restart
	revive       bool // by its health action: restart whatever the policy
	terminating  bool // this process was told to end
	killTimer    *timer
	timeoutTimer *timer // of wire.Launch.Timeout
	timedOut     bool
	restartTimer *timer
	overdue      bool // the restart is put off for those who hold the container
	trimTimer    *timer
	busySince    time.Time // the first time since memory was given back
	churn        int       // bytes allocated since memory was given back, roughly
}

// Main is the whole program.
func Main() int {
	m := &monitor{
		c: dirs.Container{}, ctl: -1, null: -1, poisedFD: -1,
		stages: make(map[int]*stage), execs: make(map[int]*execution), helpers: make(map[int]func(unix.WaitStatus)),
	}
	if err := m.prepare(); err != nil {
		m.refuse(err)
		return 1
	}
	if m.p.Orphan {
		return 0
	}
	for m.doing != leaving || len(m.conns) > 0 {
		if err := m.loop.turn(); err != nil {
			return 1
		}
	}
	return m.exitStatus()
}

// exitStatus is the container's, for a service manager whose service this is
// (systemd.service(5), Type=forking). An end that was asked for is a success.
func (m *monitor) exitStatus() int {
	if m.stopping || m.terminating {
		return 0
	}
	return m.status.ExitCode
}

// prepare does everything up to the running start stage. The stage comes as
// early as possible: what it does not need is made while it works.
func (m *monitor) prepare() error {
	runtime.GOMAXPROCS(1) // also stops the runtime from using descriptors of its own
	closeFrom(launchFD + 1)
	if err := m.readPrepare(); err != nil {
		return err
	}
	if m.p.Orphan {
		return orphan()
	}
	if err := m.settle(); err != nil {
		return err
	}
	var err error
	if m.early, err = m.spawnEarly(); err != nil {
		return err
	}
	if err = m.readLaunch(); err == nil {
		err = m.detach()
	}
	if err == nil {
		err = m.claim()
	}
	if err != nil {
		m.endStages()
		return err
	}
	if err = m.begin(); err != nil {
		m.abandon(err)
	}
	return err
}

// begin starts the stage and makes what clients need. On error the caller
// undoes it with abandon.
func (m *monitor) begin() (err error) {
	if m.chunk, err = bigBuffer(frameHeader + chunkSize); err != nil {
		return err
	}
	if m.loop, err = newLoop(); err != nil {
		return err
	}
	m.main = newSession(m)
	if m.l.Health != nil {
		m.health = newChecks(m, *m.l.Health)
	}
	m.main.terminal, m.main.once, m.main.size = m.l.Terminal, m.l.StdinOnce, m.l.Size
	if m.l.NotifySocket != "" {
		if err := m.relayNotices(); err != nil {
			return err
		}
	}
	if err := m.spawnStart(); err != nil {
		return err
	}
	if !m.l.Direct {
		m.log, err = logfile.Open(m.l.Log, logfile.Meta{ID: m.l.ID, Name: m.l.Name, Image: m.l.Image, Labels: m.l.Labels})
		if err != nil {
			return err
		}
		m.main.log = m.log
	}
	if err := m.listen(); err != nil {
		return err
	}
	if err := m.watchSignals(); err != nil {
		return err
	}
	m.launcher, err = m.addConn(launchFD, roleWait)
	if err == nil && m.l.Attach != nil {
		m.launcher.role = roleAttached
		m.main.attachClient(m.launcher, *m.l.Attach)
	}
	// Let encoding/json learn the types of what comes next while the stage works.
	json.Unmarshal([]byte("{}"), new(wire.Stage))
	json.Marshal(&m.status)
	return err
}

func (m *monitor) readPrepare() error {
	_, fds, err := read(wire.KindPrepare, &m.p)
	closeAll(fds)
	if err != nil {
		return err
	}
	if m.p.Version > wire.Version {
		return fmt.Errorf("cannot launch: version %d is newer than this monitor's", m.p.Version)
	}
	if len(m.p.Engine) == 0 || !state.IsID(m.p.ID) {
		return errors.New("cannot launch: the message is not complete")
	}
	m.env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return kv == SchedulerEnv })
	return nil
}

func (m *monitor) readLaunch() error {
	var err error
	if m.launch, m.extra, err = read(wire.KindLaunch, &m.l); err != nil {
		return err
	}
	if m.l.Health == nil {
		m.launch = nil
	}
	if m.l.ID != m.p.ID || m.l.DataDir == "" || m.l.RunDir == "" {
		return errors.New("cannot launch: the message is not complete")
	}
	m.restart.policy = m.l.Restart
	m.c = dirs.Container{ID: m.l.ID, Data: m.l.DataDir, Run: m.l.RunDir}
	return nil
}

// read takes the next message of the launching connection, which has to be of
// the kind, and gives its text and the descriptors that came with it.
func read(want wire.Kind, v any) (text []byte, fds []int, err error) {
	k, text, fds, err := wire.ReceiveFDs(launchFD)
	if err == nil && k != want {
		closeAll(fds)
		return nil, nil, fmt.Errorf("cannot launch: a message of kind %q came instead of %q", byte(k), byte(want))
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		closeAll(fds)
		return nil, nil, fmt.Errorf("cannot read what to launch: %w", err)
	}
	return text, fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// SchedulerEnv is set for the monitor by whoever starts it: one processor is
// enough for it, and each costs memory. The monitor does not pass it on.
const SchedulerEnv = "GOMAXPROCS=1"

// Memory is given back when a container has been idle for idleTime, and after
// busyTime where something happens all the time, such as a health check.
const (
	idleTime = time.Second
	busyTime = 5 * time.Second
)

// busy puts off giving idle memory back.
func (m *monitor) busy() {
	now := time.Now()
	if m.trimTimer == nil {
		m.busySince = now
		m.trimTimer = m.loop.after(idleTime, m.trim)
		return
	}
	if at := now.Add(idleTime); at.Before(m.busySince.Add(busyTime)) {
		m.trimTimer.at = at
	}
}
