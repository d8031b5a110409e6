// Package wire is what skiff's processes say to each other: the engine and the
// monitor over a socket pair or the control socket, and the monitor and the
// start stage over a socket pair.
//
// Everything is a frame: one byte of kind, four bytes of length (big endian),
// then the payload, which is JSON for all kinds but the stream kinds. Every
// conversation begins with a JSON frame that carries Version, so that a new
// engine can talk to an old monitor: fields are added, never given a new
// meaning, and unknown ones are ignored.
//
// The monitor links this package: standard library, x/sys and state only.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"skiff/state"
	"skiff/state/event"
)

// Version is the version of the conversation.
const Version = 1

// MaxFrame bounds a frame's payload in bytes.
const MaxFrame = 4 << 20

// Kind is a frame's first byte.
type Kind byte

// Engine to monitor.
const (
	// KindPrepare carries a Prepare, once, as the first frame to a new monitor; after
	// one with Orphan a second one without, for the process of the KindSpawned.
	KindPrepare Kind = 'p'
	// KindLaunch carries a Launch, once, as the second frame, and descriptors that
	// the container's first process gets (state.Extras.PreserveFDs). A connection that
	// ends instead ends the monitor, and nothing has happened.
	KindLaunch Kind = 'L'
	// KindRequest carries a Request, first on each connection to the control socket.
	KindRequest Kind = 'Q'
	// KindStdin carries bytes for the container's standard input.
	KindStdin Kind = 'i'
	// KindStdinEOF ends the container's standard input. No payload.
	KindStdinEOF Kind = 'e'
	// KindResize carries a Size.
	KindResize Kind = 'z'
)

// Monitor to engine.
const (
	// KindSpawned carries a Spawned: who the monitor is, after a Prepare with Orphan.
	KindSpawned Kind = 'O'
	// KindStarted carries a Started: the container runs.
	KindStarted Kind = 'S'
	// KindFailed carries a Failure and ends the conversation.
	KindFailed Kind = 'F'
	// KindStdout and KindStderr carry the container's output.
	KindStdout Kind = 'o'
	KindStderr Kind = 'r'
	// KindExited carries a state.Status. It is sent after all output, when the
	// end is recorded and everything is taken down. With --rm no command finds the
	// container any more, and its files are about to go.
	KindExited Kind = 'X'
	// KindReply carries a Reply.
	KindReply Kind = 'P'
)

// KindDescriptors carries descriptors that belong to the frame after it, where that
// has more than fit into one: with a Stage and with a Request. No payload.
const KindDescriptors Kind = 'D'

// Start stage to monitor.
const (
	// KindStage carries a Stage: the container was created and waits for KindGo.
	KindStage Kind = 'T'
	// KindBegin gives the start stage what it works with, as descriptors: the
	// container's three standard streams, the claim on the container, with a
	// terminal a socket on which to send it, and those that came with the Launch.
	// No payload.
	KindBegin Kind = 'B'
	// KindGo tells the start stage to let the user's program begin. No payload.
	KindGo Kind = 'G'
)

// Prepare tells a new monitor what it can start while the engine still decides
// what it is there for.
type Prepare struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	// Engine is the command that runs skiff with the same roots; the monitor
	// appends the name of an internal command and the container's id.
	Engine []string `json:"engine"`
	// Orphan tells the new process to start the monitor as a child of its own and to
	// end, so that the monitor's parent is the service manager: systemd neither
	// waits for the end nor collects the status of a main process that is not its
	// child, and looks at that only once, when MAINPID arrives (sd_notify(3)).
	Orphan bool `json:"orphan,omitempty"`
}

// Spawned tells the engine which process the monitor is.
type Spawned struct {
	Pid int `json:"pid"`
}

// Launch tells a new monitor what it is there for.
type Launch struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	// DataDir and RunDir are the container's directories.
	DataDir string `json:"dataDir"`
	RunDir  string `json:"runDir"`
	// NameFile is removed with the container.
	NameFile string `json:"nameFile"`
	// CIDFile is removed with an AutoRemove container.
	CIDFile string `json:"cidFile,omitempty"`
	BootID  string `json:"bootId"`

	Terminal  bool `json:"terminal,omitempty"`
	OpenStdin bool `json:"openStdin,omitempty"`
	StdinOnce bool `json:"stdinOnce,omitempty"`
	// Size is the terminal's first size; zero leaves the kernel's.
	Size Size `json:"size,omitzero"`
	// Direct says that the monitor's own standard streams are the caller's and go
	// to the container as they are: no pipe, no log (drivers none, passthrough).
	Direct bool `json:"direct,omitempty"`
	// Attach makes the launching connection a client of the container's streams.
	Attach *Attach `json:"attach,omitempty"`
	// Hold keeps the container's program from beginning until OpStart; the container
	// is Initialized.
	Hold bool `json:"hold,omitempty"`
	// Bound has the container killed when the launching connection ends.
	Bound bool `json:"bound,omitempty"`

	Log     state.LogConfig     `json:"log"`
	Restart state.RestartPolicy `json:"restart"`
	// Removed after the end, with its anonymous volumes by the engine.
	AutoRemove bool `json:"autoRemove,omitempty"`
	// Volumes are directories of anonymous volumes to remove with an AutoRemove
	// container.
	Volumes []string `json:"volumes,omitempty"`
	// Labels go to the log drivers that can carry them.
	Labels map[string]string `json:"labels,omitempty"`
	// Image is the image's name, for the journal.
	Image string `json:"image,omitempty"`
	// StopSignal and StopTimeout are those of state.Process: what the monitor does
	// to the container when it gets SIGTERM itself (shutdown of the machine).
	StopSignal  int  `json:"stopSignal,omitempty"`
	StopTimeout *int `json:"stopTimeout,omitempty"`
	// NotifySocket is where the container's messages to the service manager go,
	// in the form of NOTIFY_SOCKET (sd_notify(3)); empty where it sends none.
	NotifySocket string `json:"notifySocket,omitempty"`
	// Timeout is how many seconds each run may take; 0 is no bound.
	Timeout int `json:"timeout,omitempty"`
	// RemoveImage is the name of an image to remove after an AutoRemove container.
	RemoveImage string `json:"removeImage,omitempty"`
	// ReadySocket is where the service manager is told that the container is
	// healthy for the first time, in the same form.
	ReadySocket string `json:"readySocket,omitempty"`
	// Health is how to find out whether the container works; nil for no check.
	Health *Health `json:"health,omitempty"`
	// Events is where the monitor logs what happens to the container, and
	// EventLabels what it says of it.
	Events      event.Log         `json:"events,omitzero"`
	EventLabels map[string]string `json:"eventLabels,omitempty"`
}

// Health is a health check as the monitor carries it out.
type Health struct {
	Config state.Healthcheck `json:"config"`
	// Check and Startup are what to execute, see Exec.Spec.
	Check   json.RawMessage `json:"check"`
	Startup json.RawMessage `json:"startup,omitempty"`
}

// Size is a terminal's size in characters.
type Size struct {
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
}

// Attach says which streams a client takes part in.
type Attach struct {
	Stdin  bool `json:"stdin,omitempty"`
	Stdout bool `json:"stdout,omitempty"`
	Stderr bool `json:"stderr,omitempty"`
}

// Operations of a Request.
const (
	// OpAttach makes the connection a client of the container's streams; Attach
	// is set. The reply comes first, then frames until KindExited.
	OpAttach = "attach"
	// OpWait answers with KindExited when the first process has ended and the end
	// is recorded, also if a restart follows.
	OpWait = "wait"
	// OpWaitRemoved is OpWait, answered when the monitor is about to end.
	OpWaitGone = "wait-gone"
	// OpStart lets the program of a container begin that was launched with Hold. It
	// is answered as a Launch, and Attach, which may be nil, is its Attach.
	OpStart = "start"
	// OpStop tells the monitor that the user wants the container to end: the
	// restart policy no longer applies. It sends no signal.
	OpStop = "stop"
	// OpResize sets the terminal's size; Size is set.
	OpResize = "resize"
	// OpUpdate replaces restart policy, name and health check.
	OpUpdate = "update"
	// OpPorts records a change of the published ports, see Ports. The descriptors
	// of newly reserved host ports come with the request.
	OpPorts = "ports"
	// OpNetwork records a change of the container's networks, see Network. The
	// descriptors of newly reserved host ports come with the request, and then those of
	// a resolver that the container has not had before, as with Stage.
	OpNetwork = "network"
	// OpPaused tells that the engine froze (Paused) or thawed the container.
	OpPaused = "paused"
	// OpExec runs a program in the container on behalf of the engine, see Exec.
	OpExec = "exec"
	// OpHealth runs the health check now. Reply.Health is what it came to.
	OpHealth = "health"
	// OpHold keeps a container that waits for its restart from starting until the
	// connection is closed. The reply says if it does not wait.
	OpHold = "hold"
	// OpReopen closes the log file and opens it anew.
	OpReopen = "reopen"
)

// Request is the first frame on a connection to the control socket.
type Request struct {
	Version int                  `json:"version"`
	Op      string               `json:"op"`
	Attach  *Attach              `json:"attach,omitempty"`
	Size    *Size                `json:"size,omitempty"`
	Restart *state.RestartPolicy `json:"restart,omitempty"`
	Name    string               `json:"name,omitempty"`
	Paused  bool                 `json:"paused,omitempty"`
	// Waits says of OpStop that a signal follows and that its sender waits: the
	// container is shown as stopping.
	Waits bool  `json:"waits,omitempty"`
	Exec  *Exec `json:"exec,omitempty"`
	// Health takes the place of the health check in OpUpdate; one without a test
	// ends checking.
	Health *Health `json:"health,omitempty"`
	Ports  *Ports  `json:"ports,omitempty"`
	// Network is set in OpNetwork.
	Network *Network `json:"network,omitempty"`
}

// Network is what a running container's network becomes. The monitor records it
// and changes nothing else: devices, addresses and rules are the engine's.
type Network struct {
	// Pid and PidStart name the run that is meant (state.Status).
	Pid      int    `json:"pid"`
	PidStart uint64 `json:"pidStart"`
	// Network replaces what is recorded.
	Network state.NetworkStatus `json:"network,omitzero"`
	// Teardown replaces what is recorded, but for the cgroups.
	Teardown state.Teardown `json:"teardown,omitzero"`
	// Released are host ports that need not be reserved any longer.
	Released []state.Port `json:"released,omitempty"`
}

// Ports is what a running container's published ports become. The monitor
// records it and changes nothing else: the rules are the engine's.
type Ports struct {
	// Pid and PidStart name the run that is meant (state.Status).
	Pid      int    `json:"pid"`
	PidStart uint64 `json:"pidStart"`
	// Ports replaces those of state.NetworkStatus.
	Ports []state.Port `json:"ports,omitempty"`
	// Teardown replaces what is recorded, but for the cgroups.
	Teardown state.Teardown `json:"teardown,omitzero"`
	// Released are host ports that need not be reserved any longer.
	Released []state.Port `json:"released,omitempty"`
}

// Exec asks the monitor to run a further program in its container: for a
// detached one, and for callers that cannot enter the container's user
// namespace themselves. The monitor executes Engine "exec-stage" with Spec on
// its standard channel, see Stage.
type Exec struct {
	// Spec is opaque to the monitor: the engine's own description of the program.
	Spec      json.RawMessage `json:"spec"`
	Terminal  bool            `json:"terminal,omitempty"`
	Size      Size            `json:"size,omitzero"`
	Detach    bool            `json:"detach,omitempty"`
	Attach    *Attach         `json:"attach,omitempty"`
	OpenStdin bool            `json:"openStdin,omitempty"`
}

// Started is the payload of KindStarted.
type Started struct {
	state.Status
	// Warnings are the start stage's lines for the user, see Stage.
	Warnings []string `json:"warnings,omitempty"`
}

// Reply answers a request that has no better answer.
type Reply struct {
	// Error is empty for success.
	Error string `json:"error,omitempty"`
	// Status is the container's, in the reply to OpAttach.
	Status *state.Status `json:"status,omitempty"`
	// Health is the outcome of a check, in the reply to OpHealth: healthy,
	// unhealthy, starting for a startup check that failed, or stopped where the
	// container ended first.
	Health string `json:"health,omitempty"`
}

// Failure is why a start did not succeed.
type Failure struct {
	// Message is the whole text for the user, without "Error: ".
	Message string `json:"message"`
	// Code is the exit status it calls for: 125, 126 or 127.
	Code int `json:"code"`
	// Flags says that the OCI runtime does not take an option that it was given.
	Flags bool `json:"flags,omitempty"`
}

func (f Failure) Error() string { return f.Message }

// Stage is the start stage's report. The descriptors that reserve host ports come
// with it, and then, where Network.Resolver says so, those at which the container's
// questions for names come in, for UDP and TCP.
type Stage struct {
	Version  int                 `json:"version"`
	Pid      int                 `json:"pid"`
	PidStart uint64              `json:"pidStart"`
	Network  state.NetworkStatus `json:"network,omitzero"`
	Teardown state.Teardown      `json:"teardown,omitzero"`
	// OOMFiles are the cgroup files that count OOM kills (memory.events on
	// cgroup v2, memory.oom_control on v1).
	OOMFiles []string `json:"oomFiles,omitempty"`
	// Warnings are lines for the user: what was asked for and done without.
	Warnings []string `json:"warnings,omitempty"`
	// Watch is how the monitor learns that packet rules are gone; nil where there
	// are none.
	Watch *Watch `json:"watch,omitempty"`
	// OpenFiles is the stage's own soft limit of open files as it began, which is
	// that of the user; 0 if not known.
	OpenFiles uint64 `json:"openFiles,omitempty"`
}

// Watch says which of the descriptors that come with a Stage tell that somebody may
// have taken packet rules away: the first ones. Those of the family AF_NETLINK are
// readable then; others tell the length of legacy tables (IPT_SO_GET_INFO). The
// internal command "reload-networks" restores the rules of all containers.
type Watch struct {
	Sockets int `json:"sockets"`
	// Dir is where the monitors agree on who does that.
	Dir string `json:"dir"`
}

// WriteFrame sends one frame with one write.
func WriteFrame(w io.Writer, k Kind, payload []byte) error {
	if len(payload) > MaxFrame {
		return fmt.Errorf("cannot send a frame of %d bytes", len(payload))
	}
	buf := make([]byte, 5+len(payload))
	buf[0] = byte(k)
	binary.BigEndian.PutUint32(buf[1:5], uint32(len(payload)))
	copy(buf[5:], payload)
	_, err := w.Write(buf)
	return err
}

// WriteJSON sends v as one frame.
func WriteJSON(w io.Writer, k Kind, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return WriteFrame(w, k, data)
}

// ReadFrame receives one frame. io.EOF means that the other side closed
// between two frames, io.ErrUnexpectedEOF that it did so within one.
func ReadFrame(r io.Reader) (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:5])
	if n > MaxFrame {
		return 0, nil, fmt.Errorf("cannot receive a frame of %d bytes", n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return Kind(head[0]), payload, nil
}
