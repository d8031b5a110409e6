package rootless

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseRanges(t *testing.T) {
	for _, c := range []struct {
		what, file string
		want       []Range
	}{
		{"by name", "root:1:5\nann:100000:65536\nbob:200000:65536\n", []Range{{Outside: 100000, Size: 65536}}},
		{"by number", "1000:100000:65536\n", []Range{{Outside: 100000, Size: 65536}}},
		{"several ranges", "ann:100000:10\n1000:300000:20\nann:200000:30", []Range{{Outside: 100000, Size: 10}, {Outside: 300000, Size: 20}, {Outside: 200000, Size: 30}}},
		{"nothing for the user", "anna:100000:10\n10000:1:1\n", nil},
		{"nonsense", "ann\nann:x:5\nann:5:x\nann:-1:5\nann:5:0\nann:4294967290:10\nann:1:2:3\n::\n\n  ann:70:7  ", []Range{{Outside: 70, Size: 7}}},
		{"overlap", "ann:100:100\nann:150:10\nann:199:5\nann:200:5\n", []Range{{Outside: 100, Size: 100}, {Outside: 200, Size: 5}}},
		{"the user itself", "ann:900:200\nann:2000:5\n", []Range{{Outside: 2000, Size: 5}}},
		{"a root of the name", ":5:5\n", nil},
	} {
		got, err := parseRanges(strings.NewReader(c.file), "ann", 1000)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v %v, want %v", c.what, got, err, c.want)
		}
	}
	if got, err := parseRanges(strings.NewReader(":5:5\n:7:7"), "", 1000); err != nil || got != nil {
		t.Errorf("a user without name: %v %v", got, err)
	}
}

func FuzzParseRanges(f *testing.F) {
	f.Add("ann:100000:65536\n1000:1:5\n")
	f.Fuzz(func(t *testing.T, file string) {
		ranges, err := parseRanges(strings.NewReader(file), "ann", 1000)
		if err != nil {
			return
		}
		next := uint64(0)
		for i, r := range layOut(1000, ranges) {
			if r.Size == 0 || uint64(r.Inside) != next || i > 0 && r.overlaps(Range{Outside: 1000, Size: 1}) {
				t.Fatalf("%q gives %+v", file, r)
			}
			next += uint64(r.Size)
		}
	})
}

func TestLayOut(t *testing.T) {
	got := layOut(1000, []Range{{Outside: 100000, Size: 65536}, {Outside: 300000, Size: 10}, {Outside: 1 << 31, Size: 1<<32 - 1}})
	want := []Range{{0, 1000, 1}, {1, 100000, 65536}, {65537, 300000, 10}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s := format(got); s != "0 1000 1\n1 100000 65536\n65537 300000 10\n" {
		t.Errorf("map is %q", s)
	}
	if got := layOut(1, make([]Range, 1000)); len(got) > maxRanges {
		t.Errorf("%d lines", len(got))
	}
}

func TestOutside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "uid_map")
	for _, c := range []struct {
		marked, text string
		uid          int
		ok           bool
	}{
		{"1000", "         0       1000          1\n         1     100000      65536\n", 1000, true},
		{"1000", "         0          0 4294967295\n", 0, false}, // the marker was inherited on the machine itself
		{"1000", "         0       1001          1\n", 1001, false},
		{"", "         0       1000          1\n", 0, false},
		{"1000", "", 0, false},
		{"x", "0 1000 1\n", 1000, false},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if uid, ok := outside(c.marked, file); ok != c.ok || ok && uid != c.uid {
			t.Errorf("marker %q, map %q: %d %v", c.marked, c.text, uid, ok)
		}
	}
	if UID() != os.Getuid() || Inside() {
		t.Errorf("outside of any namespace: %d %v", UID(), Inside())
	}
}

func TestExplainClone(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{unix.ENOSPC, "user.max_user_namespaces is "},
		{unix.EPERM, "user namespaces are disabled on this machine ("},
		{unix.EINVAL, "the kernel is built without them"},
	} {
		err := explainClone("/x", &os.PathError{Op: "fork/exec", Path: "/x", Err: c.err})
		if !errors.Is(err, ErrDisabled) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.err, err)
		}
	}
	err := explainClone("/x", &os.PathError{Op: "fork/exec", Path: "/x", Err: unix.ENOENT})
	if want := "cannot start /x in a user namespace: no such file or directory"; err.Error() != want || errors.Is(err, ErrDisabled) {
		t.Errorf("got %v, want %s", err, want)
	}
}
