package state

import (
	"errors"
	"fmt"
	"os"

	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// Live is a container's status as it is found.
type Live struct {
	Status
	// Lost is set where the files say that it runs but its monitor is gone, or
	// where it ran when the machine went down: Status then is what is true
	// (exited), and what the start set up may still have to be taken down.
	Lost bool
}

// Status finds out what is true of a container. It takes no lock and changes
// nothing. ErrNotFound if there is no such container.
func (s *Store) Status(id string) (Live, error) {
	c := s.Roots.Container(id)
	for range 5 {
		var st Status
		err := jsonfile.Read(c.Status(), &st)
		if err == nil && st.BootID == s.BootID && st.Phase.Active() {
			if lock.Held(c.Alive()) {
				return Live{Status: st}, nil
			}
			// The monitor may have ended in an orderly way since the file was read:
			// then the file is gone or says so by now.
			var again Status
			if jsonfile.Read(c.Status(), &again) == nil && again.Phase.Active() && !lock.Held(c.Alive()) {
				return lost(again, "its monitor was killed"), nil
			}
			continue
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return Live{}, err
		}
		return s.ended(id)
	}
	return Live{}, fmt.Errorf("container %s changes faster than it can be read", id)
}

// ended is the status of a container that no monitor vouches for.
func (s *Store) ended(id string) (Live, error) {
	c := s.Roots.Container(id)
	var st Status
	err := jsonfile.Read(c.Exit(), &st)
	switch {
	case err == nil && st.Phase.Active() && st.BootID != s.BootID:
		return lost(st, "the machine went down while it ran"), nil
	case err == nil && st.Phase.Active() && lock.Held(c.Alive()):
		return Live{Status: st}, nil // its status.json is about to appear
	case err == nil && st.Phase.Active():
		return lost(st, "its monitor was killed"), nil
	case err == nil:
		return Live{Status: st}, nil
	case !errors.Is(err, os.ErrNotExist):
		return Live{}, err
	case !jsonfile.Exists(c.Config()):
		return Live{}, Errorf(ErrNotFound, "no such container %s", id)
	}
	return Live{Status: Status{Version: StatusVersion, BootID: s.BootID, Phase: Created}}, nil
}

// lost turns the status of a container that cannot run any more into that of
// one that was killed.
func lost(st Status, why string) Live {
	st.Phase = Exited
	st.ExitCode = 137
	st.Error = why
	return Live{Status: st, Lost: true}
}

// Active reports whether a container in this phase has a monitor.
func (p Phase) Active() bool { return p.Up() || p == Initialized }

// Up reports whether a container in this phase is one that people call running.
func (p Phase) Up() bool { return p == Running || p == Paused || p == Restarting }

// Present reports whether a container in this phase has a first process, with its
// namespaces and files.
func (p Phase) Present() bool { return p == Running || p == Paused || p == Initialized }
