package libpod

import (
	"errors"
	"os"

	"skiff/netsetup"
	"skiff/runtime/monitorclient"
	"skiff/runtime/wire"
	"skiff/state"
)

// networkChange is a change of a running container's network, see netsetup.
type networkChange interface {
	Plan() *netsetup.Change
	Apply() error
	Revert() error
	Withdraw() error
	Close()
}

// liveNetwork is such a change under way. The caller holds the container's lock.
type liveNetwork struct {
	e      *Engine
	id     string
	st     state.Status // before
	change networkChange
	// ports says that only the published ports change: monitors of earlier versions
	// know nothing else.
	ports bool
}

// beginLive records what the container's end has to take down and makes the
// change. On error the change is closed.
func (e *Engine) beginLive(l *liveNetwork) (_ *liveNetwork, err error) {
	l.e = e
	defer func() {
		if err != nil {
			l.change.Close()
		}
	}()
	c := l.change.Plan()
	if err := l.record(l.st.Network, c.During, c.Reserved, nil); err != nil {
		return nil, err
	}
	if err := l.change.Apply(); err != nil {
		return nil, errors.Join(err, l.forget())
	}
	return l, nil
}

// record tells the monitor. sockets are those that reserve ports, or a new resolver's.
func (l *liveNetwork) record(n state.NetworkStatus, td state.Teardown, sockets []*os.File, released []state.Port) error {
	conn, err := monitorclient.Dial(l.e.Roots.Container(l.id))
	if err != nil {
		return err
	}
	if l.ports {
		return conn.Ports(wire.Ports{Pid: l.st.Pid, PidStart: l.st.PidStart, Ports: n.Ports, Teardown: td, Released: released}, sockets)
	}
	return conn.Network(wire.Network{Pid: l.st.Pid, PidStart: l.st.PidStart, Network: n, Teardown: td, Released: released}, sockets)
}

// forget has the monitor record what it did before, and let go of the new ports.
func (l *liveNetwork) forget() error {
	return l.record(l.st.Network, l.st.Teardown, nil, l.change.Plan().Fresh)
}

// revert undoes a change that was applied.
func (l *liveNetwork) revert() error {
	if err := l.change.Revert(); err != nil {
		return err // what may be left stays recorded
	}
	return l.forget()
}

// commit records the change as made. A container that ended meanwhile took down
// what was there: what came after that goes here.
func (l *liveNetwork) commit() error {
	c := l.change.Plan()
	err := l.record(c.Status, c.After, c.Resolver, c.Released)
	if err == nil {
		return nil
	}
	st, serr := l.e.Store.Status(l.id)
	if serr == nil && st.Phase.Active() && st.Pid == l.st.Pid && st.PidStart == l.st.PidStart {
		return err
	}
	return l.change.Withdraw()
}
