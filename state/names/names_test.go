package names

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"skiff/state/dirs"
	"skiff/state/lock"
)

// bed is a run root with a network.
type bed struct {
	t     *testing.T
	roots dirs.Roots
	dir   string
	r     *Reader
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, roots: dirs.Roots{Data: t.TempDir(), Run: t.TempDir()}}
	b.dir = b.roots.Network("net")
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.r, err = NewReader(b.roots.Run); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.r.Close)
	return b
}

// box is a container whose monitor lives until the claim is released.
func (b *bed) box(digit, name string, addrs string, aliases ...string) (Entry, *lock.Lock) {
	b.t.Helper()
	e := Entry{Dir: b.dir, ID: strings.Repeat(digit, 64), Name: name, Aliases: aliases}
	for _, a := range strings.Fields(addrs) {
		e.Addresses = append(e.Addresses, netip.MustParseAddr(a))
	}
	c := b.roots.Container(e.ID)
	if err := os.MkdirAll(c.Run, 0o700); err != nil {
		b.t.Fatal(err)
	}
	claim, err := lock.Claim(c.Alive())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(claim.Release)
	if err := e.Publish(); err != nil {
		b.t.Fatal(err)
	}
	return e, claim
}

// look gives the addresses in order, and "+" where there are more.
func (b *bed) look(q Query) string {
	b.t.Helper()
	if q.Network == "" {
		q.Network = "net"
	}
	if q.Most == 0 {
		q.Most = 100
	}
	got, known, more := b.r.Look(nil, q)
	if !known {
		if len(got) > 0 || more {
			b.t.Errorf("%+v: unknown, with %v", q, got)
		}
		return "unknown"
	}
	var s []string
	for _, a := range got {
		s = append(s, a.String())
	}
	if more {
		s = append(s, "+")
	}
	return strings.Join(s, " ")
}

func (b *bed) want(want string, q Query) {
	b.t.Helper()
	if got := b.look(q); got != want {
		b.t.Errorf("%s: got %q want %q", q.Name, got, want)
	}
}

func (b *bed) left() (left []string) {
	filepath.WalkDir(b.dir, func(path string, _ os.DirEntry, _ error) error {
		if path != b.dir {
			left = append(left, strings.TrimPrefix(path, b.dir))
		}
		return nil
	})
	return left
}

func TestContainerIsFoundByNameAliasAndShortID(t *testing.T) {
	b := newBed(t)
	e, _ := b.box("a", "Web", "10.1.0.2 fd00::2", "shop.example", "Cache")
	for _, name := range []string{"web", "aaaaaaaaaaaa", "shop.example", "cache"} {
		b.want("10.1.0.2", Query{Name: []byte(name)})
		b.want("fd00::2", Query{Name: []byte(name), Six: true})
	}
	b.want("unknown", Query{Name: []byte("web"), Network: "other"})
	b.want("unknown", Query{Name: []byte("webb")})
	for _, a := range []string{"10.1.0.2", "fd00::2"} {
		if n, ok := b.r.Name("net", []byte(a)); string(n) != "web" || !ok {
			t.Errorf("%s is called %q, %v", a, n, ok)
		}
	}
	if _, ok := b.r.Name("net", []byte("10.1.0.3")); ok {
		t.Error("an address of nobody has a name")
	}
	if err := e.Withdraw(); err != nil {
		t.Error(err)
	}
	b.want("unknown", Query{Name: []byte("web")})
	if left := b.left(); !slices.Equal(left, []string{"/hosts", "/names"}) {
		t.Errorf("left over: %q", left)
	}
	if err := e.Withdraw(); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestOnlyLivingContainersAreFound(t *testing.T) {
	b := newBed(t)
	b.box("a", "one", "10.1.0.2", "all")
	_, claim := b.box("b", "two", "10.1.0.3", "all")
	if got := b.look(Query{Name: []byte("all")}); len(got) != len("10.1.0.2 10.1.0.3") {
		t.Errorf("got %q", got)
	}
	claim.Release()
	b.want("10.1.0.2", Query{Name: []byte("all")})
	b.want("unknown", Query{Name: []byte("two")})
	if _, ok := b.r.Name("net", []byte("10.1.0.3")); ok {
		t.Error("the address of a dead container has a name")
	}
	if err := WithdrawAll(b.dir, strings.Repeat("b", 64)); err != nil {
		t.Error(err)
	}
	if left := strings.Join(b.left(), " "); strings.Contains(left, "bbb") || strings.Contains(left, "two") || !strings.Contains(left, "/names/all/aaaa") {
		t.Errorf("left: %s", left)
	}
	if err := WithdrawAll(filepath.Join(b.dir, "nosuch"), "x"); err != nil {
		t.Error(err)
	}
}

func TestEachContainerHasItsTurn(t *testing.T) {
	b := newBed(t)
	for i, d := range []string{"a", "b", "c", "d", "e"} {
		b.box(d, "box"+d, "10.1.0."+string(rune('2'+i)), "all")
	}
	first := map[string]int{}
	for turn := range 50 {
		got := strings.Fields(b.look(Query{Name: []byte("all"), Turn: uint32(turn)}))
		slices.Sort(got[1:])
		if len(slices.Compact(got)) != 5 {
			t.Fatalf("turn %d: %q", turn, got)
		}
		first[got[0]]++
	}
	for addr, n := range first {
		if n != 10 {
			t.Errorf("%s was the first %d times of 50", addr, n)
		}
	}
	if got := strings.Fields(b.look(Query{Name: []byte("all"), Most: 2})); len(got) != 3 || got[2] != "+" {
		t.Errorf("two of five: %q", got)
	}
	b.want("10.1.0.4", Query{Name: []byte("all"), ID: []byte(strings.Repeat("c", 64))})
}

func TestPublishingAgainReplaces(t *testing.T) {
	b := newBed(t)
	e, _ := b.box("a", "web", "10.1.0.2")
	again := e
	again.Addresses = []netip.Addr{netip.MustParseAddr("10.1.0.9")}
	if err := again.Publish(); err != nil {
		t.Fatal(err)
	}
	b.want("10.1.0.9", Query{Name: []byte("web")})
	files, _ := again.Files()
	for _, f := range files {
		if _, err := os.Lstat(f); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatCannotBeAName(t *testing.T) {
	for _, n := range []string{"", ".", "..", "a/b", "../../etc/passwd", "a..b", ".a", "a.", "a b", "ä", "a\x00b", "a%b",
		strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a", "Web"} {
		if Valid(n) {
			t.Errorf("%q is valid", n)
		}
	}
	for _, n := range []string{"a", "a.b", "a_b-c.example.com", "1", strings.Repeat("a", 63), strings.Repeat("a.", 126) + "a"} {
		if !Valid(n) {
			t.Errorf("%q is not valid", n)
		}
	}
	if Check("localhost") == nil || Check("a b") == nil || Check("Web") != nil {
		t.Error("aliases")
	}
	e := Entry{Dir: "/d", ID: strings.Repeat("a", 64), Name: strings.Repeat("x", 64), Aliases: []string{"../x", "ok"},
		Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.2")}}
	files, dirs := e.Files()
	if want := []string{"/d/names/aaaaaaaaaaaa/" + e.ID, "/d/names/ok/" + e.ID}; !slices.Equal(files, want) || dirs[1] != "/d/names/ok" {
		t.Errorf("got %q %q want %q", files, dirs, want)
	}
}

// TestManyComeAndGo: the directory of a name that several share is made and
// removed all the time.
func TestManyComeAndGo(t *testing.T) {
	b := newBed(t)
	var wg sync.WaitGroup
	for _, d := range []string{"a", "b", "c", "d"} {
		e := Entry{Dir: b.dir, ID: strings.Repeat(d, 64), Name: "all", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.2")}}
		wg.Go(func() {
			for range 300 {
				if err := e.Publish(); err != nil {
					t.Error(err)
				}
				if err := e.Withdraw(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if left := b.left(); !slices.Equal(left, []string{"/hosts", "/names"}) {
		t.Errorf("left over: %q", left)
	}
}

func TestLookingUpMakesNoGarbage(t *testing.T) {
	b := newBed(t)
	for _, d := range []string{"a", "b", "c"} {
		b.box(d, "box"+d, "10.1.0.2 fd00::2", "all")
	}
	var dst []netip.Addr
	name, addr := []byte("all"), []byte("10.1.0.2")
	q := Query{Network: "net", Name: name, Most: 10}
	if n := testing.AllocsPerRun(100, func() {
		dst, _, _ = b.r.Look(dst[:0], q)
		b.r.Name("net", addr)
	}); n != 0 || len(dst) != 3 {
		t.Errorf("%v allocations, %d addresses", n, len(dst))
	}
}

func BenchmarkLook(b *testing.B) {
	roots := dirs.Roots{Run: b.TempDir()}
	e := Entry{Dir: roots.Network("net"), ID: strings.Repeat("a", 64), Name: "web", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.2")}}
	c := roots.Container(e.ID)
	if err := os.MkdirAll(c.Run, 0o700); err != nil {
		b.Fatal(err)
	}
	claim, err := lock.Claim(c.Alive())
	if err != nil {
		b.Fatal(err)
	}
	defer claim.Release()
	if err := e.Publish(); err != nil {
		b.Fatal(err)
	}
	r, err := NewReader(roots.Run)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	b.ReportAllocs()
	var dst []netip.Addr
	for b.Loop() {
		dst, _, _ = r.Look(dst[:0], Query{Network: "net", Name: []byte("web"), Most: 10})
	}
}
