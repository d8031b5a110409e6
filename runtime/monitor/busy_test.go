package monitor

import (
	"testing"
	"time"
)

// What goes on all the time, such as a health check each 200 ms, must not keep
// memory from being given back.
func TestBusyPutsTrimmingOffForABoundedTime(t *testing.T) {
	l, err := newLoop()
	if err != nil {
		t.Fatal(err)
	}
	m := &monitor{loop: l}
	m.busy()
	first := m.trimTimer.at
	m.busySince = time.Now().Add(-busyTime + idleTime + time.Second)
	m.busy()
	second := m.trimTimer.at
	if !second.After(first) {
		t.Errorf("the second call did not put it off: %v, then %v", first, second)
	}
	m.busySince = time.Now().Add(-busyTime)
	m.busy()
	if !m.trimTimer.at.Equal(second) {
		t.Errorf("after %v it is put off from %v to %v, want no longer", busyTime, second, m.trimTimer.at)
	}
}
