package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// record writes that the container runs, with what has to be undone: below the
// data root so that a reboot is noticed, then below the run root.
func (m *monitor) record() error {
	m.recallLast()
	if err := jsonfile.Write(m.c.Exit(), &m.status, jsonfile.Volatile); err != nil {
		return err
	}
	return jsonfile.Write(m.c.Status(), &m.status, jsonfile.Volatile)
}

// recallLast reads what is recorded of the container's last run before this
// monitor writes the record itself.
func (m *monitor) recallLast() {
	if m.last == nil {
		m.last = new(state.Status)
		jsonfile.Read(m.c.Exit(), m.last)
	}
}

// recordStatus writes what is true now of a container that goes on.
func (m *monitor) recordStatus() error {
	return jsonfile.Write(m.c.Status(), &m.status, jsonfile.Volatile)
}

// recordEnd writes the final status and takes the container's directory below
// the run root away. A crash before the first step leaves a container that was
// lost; one after it leaves files that the next start removes.
func (m *monitor) recordEnd() {
	m.status.Phase = state.Exited
	m.status.Interrupted = m.terminating && !m.stopping
	m.status.Pid, m.status.PidStart, m.status.Monitor = 0, 0, 0
	m.status.Teardown, m.status.Network = state.Teardown{}, addressesOf(m.status.Network)
	m.writeExit()
	m.removeRun()
}

// addressesOf is what a container that has ended keeps of its network: the
// addresses, which it gets again if they are free when it starts again.
func addressesOf(n state.NetworkStatus) (kept state.NetworkStatus) {
	for _, e := range n.Endpoints {
		kept.Endpoints = append(kept.Endpoints, state.EndpointStatus{Network: e.Network, IP: e.IP, IP6: e.IP6})
	}
	return kept
}

// removeRun takes the directory below the run root away. The claim goes last,
// so that a monitor that follows finds either the claim taken or nothing.
func (m *monitor) removeRun() {
	os.Remove(m.c.Status())
	entries, _ := os.ReadDir(m.c.Run)
	for _, e := range entries {
		if p := filepath.Join(m.c.Run, e.Name()); p != m.c.Alive() {
			os.RemoveAll(p)
		}
	}
	os.Remove(m.c.Alive())
	os.Remove(m.c.Run)
	m.alive.Release()
}

// remove takes an AutoRemove container away: out of sight first, so that what a
// crash leaves is known to be garbage (state.Store.Remove has the same order).
// Nobody finds it then; finish removes what it had, under the container's lock.
func (m *monitor) remove() (finish func()) {
	l, err := lock.Try(m.c.Lock())
	if err != nil {
		l = nil
	}
	if err := state.Leave(m.c); err != nil && !errors.Is(err, os.ErrNotExist) {
		m.status.Error = fmt.Sprintf("cannot remove container %s: %v", m.l.Name, err)
		m.recordEnd()
		return l.Release
	}
	m.noteRemoved()
	removeHolding(m.l.NameFile, m.l.ID)
	removeHolding(m.l.CIDFile, m.l.ID)
	for _, dir := range m.l.Volumes {
		os.Remove(filepath.Join(dir, "volume.json"))
	}
	return func() {
		defer l.Release()
		for _, dir := range m.l.Volumes {
			os.RemoveAll(dir)
		}
		m.removeRun()
		_ = state.RemoveLeft(m.c, m.l.BootID) // who sees a dead container sees why
	}
}

// removeHolding removes a file if the container's id is still in it.
func removeHolding(path, id string) {
	if path == "" {
		return
	}
	if b, err := os.ReadFile(path); err == nil && string(trimNewline(b)) == id {
		os.Remove(path)
	}
}

func trimNewline(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// recordFailure writes why a start failed. A container that never ran stays
// created; one that did keeps what is known of its last run.
func (m *monitor) recordFailure(f wire.Failure) {
	m.recallLast()
	st := *m.last
	st.Phase = state.Exited
	if st.StartedAt.IsZero() {
		st = state.Status{Phase: state.Created}
	}
	st.Version, st.BootID = state.StatusVersion, m.l.BootID
	st.Pid, st.PidStart, st.Monitor = 0, 0, 0
	st.Teardown = state.Teardown{}
	if f.Message != "" {
		st.ExitCode, st.Error = f.Code, f.Message
	}
	st.RestartCount = m.status.RestartCount
	m.status = st
	if m.l.AutoRemove {
		m.remove()()
		return
	}
	m.writeExit()
	m.removeRun()
}

// writeExit writes the final record. On a full disk it takes the room of the
// record that says that the container runs, which is the longer one and must
// not stay: the container would read as lost.
func (m *monitor) writeExit() {
	if jsonfile.Write(m.c.Exit(), &m.status, jsonfile.Volatile) == nil {
		return
	}
	data, err := json.Marshal(&m.status)
	if err != nil {
		return
	}
	fd, err := unix.Open(m.c.Exit(), unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	n, err := unix.Pwrite(fd, data, 0)
	if err == nil && n == len(data) {
		err = unix.Ftruncate(fd, int64(n))
	}
	if err != nil || n != len(data) {
		os.Remove(m.c.Exit())
	}
}
