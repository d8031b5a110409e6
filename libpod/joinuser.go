package libpod

import (
	"errors"
	"fmt"
	"os"

	"skiff/runtime/rootless"
	"skiff/state"
	"skiff/state/process"
)

var errNotRunning = errors.New("it is not running")

// sharedUserNamespace is the user namespace in which a container has to be started
// that shares namespaces of others: those belong to the user namespace that was made
// for their monitor, and only there may they be joined. It is nil where the container
// shares none, and can have a fresh one.
func (e *Engine) sharedUserNamespace(cfg *state.Config) (found *os.File, err error) {
	var first string
	for _, id := range cfg.Joins() {
		f, err := e.userNamespaceOf(id)
		if err != nil {
			closeAll(found)
			return nil, fmt.Errorf("cannot join the namespaces of container %s: %w", e.nameOf(id), err)
		}
		if found == nil {
			found, first = f, id
			continue
		}
		same := sameFile(found, f)
		f.Close()
		if !same {
			found.Close()
			return nil, fmt.Errorf("cannot join the namespaces of both %[1]s and %[2]s: an ordinary user's containers can share with each other only what was started together (start %[2]s with a namespace of %[1]s, such as --ipc container:%[1]s)",
				e.nameOf(first), e.nameOf(id))
		}
	}
	return found, nil
}

// userNamespaceOf opens the user namespace of a running container's monitor.
func (e *Engine) userNamespaceOf(id string) (*os.File, error) {
	live, err := e.Store.Status(id)
	if err != nil {
		return nil, err
	}
	if !live.Phase.Present() {
		return nil, errNotRunning
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", live.Pid))
	if err != nil {
		return nil, err
	}
	if start, err := process.StartTime(live.Pid); err != nil || start != live.PidStart {
		f.Close()
		return nil, errNotRunning
	}
	return rootless.OfUser(f)
}

// nameOf is a container's name for a message, its id where that cannot be read.
func (e *Engine) nameOf(id string) string {
	cfg, err := e.Store.Load(id)
	if err != nil {
		return id
	}
	return cfg.Name
}

func sameFile(a, b *os.File) bool {
	x, xerr := a.Stat()
	y, yerr := b.Stat()
	return xerr == nil && yerr == nil && os.SameFile(x, y)
}
