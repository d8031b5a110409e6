package netsetup

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"skiff/netsetup/link"
	"skiff/state"
	"skiff/state/names"
)

// named gives the host two networks with names and one without.
func named(h *host) {
	h.network(state.NetworkRecord{Name: "net", Subnet: "10.213.1.0/24", Gateway: "10.213.1.1", DNS: []string{"192.0.2.1"}})
	h.network(state.NetworkRecord{Name: "inner", Subnet: "10.213.2.0/24", Gateway: "10.213.2.1", Internal: true})
	h.network(state.NetworkRecord{Name: "mute", Subnet: "10.213.3.0/24", Gateway: "10.213.3.1", NoDNS: true})
}

func (h *host) in(networks ...state.Endpoint) *box {
	h.t.Helper()
	b, err := h.start(state.Network{Mode: state.ModeBridge, Endpoints: networks})
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// find asks for a name in a network as a monitor does.
func (h *host) find(network, name string) string {
	h.t.Helper()
	r, err := names.NewReader(h.m.Roots.Run)
	if err != nil {
		h.t.Fatal(err)
	}
	defer r.Close()
	got, known, _ := r.Look(nil, names.Query{Network: network, Name: []byte(name), Most: 10})
	if !known {
		return "unknown"
	}
	slices.SortFunc(got, netip.Addr.Compare)
	return strings.Trim(fmt.Sprint(got), "[]")
}

func (h *host) finds(network, name, want string) {
	h.t.Helper()
	if got := h.find(network, name); got != want {
		h.t.Errorf("%s in %s: got %q want %q", name, network, got, want)
	}
}

// entries are all files of names.
func (h *host) entries() (all []string) {
	filepath.WalkDir(filepath.Join(h.m.Roots.Run, "networks"), func(path string, d fs.DirEntry, _ error) error {
		if rel := strings.TrimPrefix(path, h.m.Roots.Run); strings.Contains(rel, "/names/") || strings.Contains(rel, "/hosts/") {
			all = append(all, rel)
		}
		return nil
	})
	return all
}

// takeDown does what the recorded data says of files.
func takeDown(t *testing.T, td state.Teardown) {
	t.Helper()
	for _, f := range append(slices.Clone(td.Files), td.Dirs...) {
		if err := os.Remove(f); err != nil && !os.IsNotExist(err) && !strings.Contains(err.Error(), "not empty") {
			t.Error(err)
		}
	}
}

// answered asks port 53 of the resolver's address and plays the monitor.
func answered(t *testing.T, b *box) {
	t.Helper()
	if !b.res.Status.Resolver || len(b.res.Resolver) != 2 {
		t.Fatalf("resolver %v with %d sockets", b.res.Status.Resolver, len(b.res.Resolver))
	}
	answeredAt(t, b.ns, b.res.Resolver)
}

func answeredAt(t *testing.T, ns *link.Namespace, sockets []*os.File) {
	t.Helper()
	pc, err := net.FilePacketConn(sockets[0])
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	l, err := net.FileListener(sockets[1])
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		buf := make([]byte, 100)
		if _, from, err := pc.ReadFrom(buf); err == nil {
			pc.WriteTo([]byte("here"), from)
		}
	}()
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Write([]byte("here"))
			c.Close()
		}
	}()
	for _, network := range []string{"udp", "tcp"} {
		if got, err := ask(ns, network, Resolver+":53"); err != nil || got != "here" {
			t.Errorf("%s: got %q, %v", network, got, err)
		}
	}
}

func TestContainersHaveNames(t *testing.T) {
	h := newHost(t)
	named(h)
	one := h.in(state.Endpoint{Network: "net", Aliases: []string{"Shop"}}, state.Endpoint{Network: "inner"})
	two := h.in(state.Endpoint{Network: "net", Aliases: []string{"shop"}})
	h.finds("net", "shop", "10.213.1.2 10.213.1.3")
	h.finds("net", "box", "10.213.1.2 10.213.1.3")
	h.finds("net", one.id[:12], "10.213.1.2")
	h.finds("inner", "box", "10.213.2.2")
	h.finds("inner", "shop", "unknown")
	if got := one.res.Status.Endpoints[0].Names; !slices.Equal(got, []string{"box", one.id[:12], "shop"}) {
		t.Errorf("names %q", got)
	}
	if st := one.res.Status; !slices.Equal(st.Servers, []string{"192.0.2.1"}) || st.Closed {
		t.Errorf("servers %q, closed %v", st.Servers, st.Closed)
	}
	answered(t, one)
	// Port 53 of every other address is the container's own.
	serve(t, one.ns, "udp", "0.0.0.0:53")
	sees(t, "the container's own server", one.ns, "udp", "127.0.0.1:53", "127.0.0.1")
	answered(t, one)

	inner := h.in(state.Endpoint{Network: "inner"})
	if st := inner.res.Status; len(st.Servers) > 0 || !st.Closed {
		t.Errorf("internal: servers %q, closed %v", st.Servers, st.Closed)
	}
	for _, network := range []string{"mute", state.DefaultNetwork} {
		b := h.in(state.Endpoint{Network: network})
		if st := b.res.Status; st.Resolver || len(b.res.Resolver) > 0 || len(st.Endpoints[0].Names) > 0 {
			t.Errorf("%s: %+v", network, st)
		}
	}
	takeDown(t, two.res.Teardown)
	h.finds("net", "shop", "10.213.1.2")
	for _, b := range []*box{one, inner} {
		takeDown(t, b.res.Teardown)
	}
	if left := h.entries(); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// TestNamesOfTheDead: what a monitor that was killed left is taken away without its
// record.
func TestNamesOfTheDead(t *testing.T) {
	h := newHost(t)
	named(h)
	b := h.in(state.Endpoint{Network: "net", Aliases: []string{"shop"}})
	if err := h.m.Teardown(b.id, state.NetworkStatus{}); err != nil {
		t.Fatal(err)
	}
	if left := h.entries(); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestNamesComeAndGoWithNetworks(t *testing.T) {
	h := newHost(t)
	named(h)
	b := h.in(state.Endpoint{Network: state.DefaultNetwork})
	req := ChangeRequest{ID: b.id, Name: "box", NS: b.ns, Status: b.res.Status, Teardown: b.res.Teardown, Links: map[string]string{"db": b.id},
		Network: state.Network{Mode: state.ModeBridge, Endpoints: []state.Endpoint{{Network: state.DefaultNetwork}}}}
	want := state.Endpoint{Network: "inner", Aliases: []string{"late"}}
	// One that is taken back leaves nothing.
	c, err := h.m.Connect(req, want)
	if err != nil {
		t.Fatal(err)
	}
	if h.find("inner", "late") != "unknown" {
		t.Error("it has a name before the change is made")
	}
	if err := c.Apply(); err != nil {
		t.Fatal(err)
	}
	h.finds("inner", "late", c.Status.Endpoints[1].IP)
	if err := c.Revert(); err != nil {
		t.Error(err)
	}
	c.Close()
	if left := h.entries(); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	// Again, and for good.
	if c, err = h.m.Connect(req, want); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Apply(); err != nil {
		t.Fatal(err)
	}
	st := c.Status
	if !st.Resolver || st.Closed || st.Links["db"] == "" || !slices.Contains(st.Endpoints[1].Names, "late") {
		t.Errorf("status %+v", st)
	}
	answeredAt(t, b.ns, c.Resolver)
	before := len(req.Teardown.Files)
	if len(c.After.Files) <= before || len(c.During.Files) <= before || len(c.After.Dirs) == 0 {
		t.Errorf("teardown: %+v, during %+v", c.After, c.During)
	}
	// Another name.
	req.Status, req.Teardown = st, c.After
	req.Network.Endpoints = append(req.Network.Endpoints, want)
	n := h.m.ChangeName(req, "other")
	if err := n.Apply(); err != nil {
		t.Fatal(err)
	}
	ip := st.Endpoints[1].IP
	h.finds("inner", "other", ip)
	h.finds("inner", "box", "unknown")
	h.finds("inner", "late", ip)
	if err := n.Revert(); err != nil {
		t.Error(err)
	}
	h.finds("inner", "other", "unknown")
	h.finds("inner", "box", ip)
	if err := n.Apply(); err != nil {
		t.Fatal(err)
	}
	req.Name, req.Status, req.Teardown = "other", n.Status, n.After
	// And out of it again.
	d, err := h.m.Disconnect(req, "inner")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Apply(); err != nil {
		t.Fatal(err)
	}
	h.finds("inner", "other", "unknown")
	if err := d.Revert(); err != nil {
		t.Error(err)
	}
	h.finds("inner", "other", ip)
	if err := d.Apply(); err != nil {
		t.Fatal(err)
	}
	if left := h.entries(); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	if slices.ContainsFunc(d.After.Files, func(f string) bool { return strings.Contains(f, "/names/") }) || len(d.After.Dirs) > 0 {
		t.Errorf("teardown: %+v", d.After)
	}
	if err := d.Release(); err != nil {
		t.Error(err)
	}
}

// TestResolverWithoutNFTables: the sockets are at port 53 then.
func TestResolverWithoutNFTables(t *testing.T) {
	h := newHost(t)
	ns, err := h.m.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var files []*os.File
	if err := ns.Do(func() (err error) { files, err = listen(netip.MustParseAddr(Resolver), dnsPort); return err }); err != nil {
		t.Fatal(err)
	}
	defer closeFiles(files)
	answeredAt(t, ns, files)
	if err := ns.Do(func() error { _, err := listen(netip.MustParseAddr(Resolver), dnsPort); return err }); err == nil {
		t.Error("it is there twice")
	}
}

// TestNamingTime prints what a start takes longer for its names.
func TestNamingTime(t *testing.T) {
	h := newHost(t)
	var took time.Duration
	const times = 20
	for range times {
		ns, err := h.m.NewNamespace()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		files, warning := resolverSockets(ns)
		if warning != "" {
			t.Error(warning)
		}
		took += time.Since(began)
		closeFiles(files)
		ns.Close()
	}
	t.Logf("sockets and their table take %v", took/times)
}
