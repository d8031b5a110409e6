package netsetup

import (
	"testing"
	"time"

	"skiff/state"
)

// How long the parts of a container's network take, with the bridge there.
func TestTimes(t *testing.T) {
	h := newHost(t)
	h.box()
	var ns, setup time.Duration
	const n = 20
	for i := range n {
		start := time.Now()
		x, err := h.m.NewNamespace()
		if err != nil {
			t.Fatal(err)
		}
		ns += time.Since(start)
		start = time.Now()
		id := newID()
		r, err := h.m.Setup(t.Context(), Request{ID: id, NS: x, Network: state.Network{Mode: state.ModeBridge, Ports: []state.Port{tcp(uint16(7000+i), 80)}}})
		if err != nil {
			t.Fatal(err)
		}
		setup += time.Since(start)
		x.Close()
		start = time.Now()
		if err := h.m.Teardown(id, state.NetworkStatus{}); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	t.Logf("namespace %v, setup %v", ns/n, setup/n)
}
