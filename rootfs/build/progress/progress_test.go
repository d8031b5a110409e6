package progress

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the goldens anew")

// clock is a time that only the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func noEnv(string) string { return "" }

// display is one whose frame of time is the test's.
func display(t *testing.T, o Options) (Display, *clock) {
	t.Helper()
	c := newClock()
	o.Now = c.Now
	if o.Env == nil {
		o.Env = noEnv
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

type located struct{}

func (located) Error() string { return "failed to solve: exit code: 1" }
func (located) Excerpt() string {
	return "Dockerfile:2\n--------------------\n   1 |     FROM scratch\n   2 | >>> RUN false\n--------------------\n"
}

// aBuild is a build with all that can happen.
func aBuild(d Display, c *clock) {
	ms := time.Millisecond
	load := d.Begin(Vertex{ID: "sha256:01", Name: "[internal] load build definition from Dockerfile"})
	load.Status("transferring dockerfile:", 32, 32)
	c.pass(12 * ms)
	load.Done()
	from := d.Begin(Vertex{ID: "sha256:02", Name: "[base 1/3] FROM docker.io/library/busybox:latest", Step: &Step{1, 2, 1, 3, "FROM busybox"}})
	from.Status("sha256:abcdef", 500, 2_200_000)
	c.pass(100 * ms)
	from.Status("sha256:abcdef", 501, 2_200_000) // too little to be told of
	c.pass(100 * ms)
	from.Status("sha256:abcdef", 2_200_000, 2_200_000)
	from.Status("extracting sha256:abcdef", 0, 0)
	c.pass(300 * ms)
	from.Done()
	hit := d.Begin(Vertex{ID: "sha256:03", Name: "[base 2/3] WORKDIR /src", Inputs: []string{"sha256:02"}, Step: &Step{1, 2, 2, 3, "WORKDIR /src"}})
	hit.Cached()
	one := d.Begin(Vertex{ID: "sha256:04", Name: "[base 3/3] RUN make", Inputs: []string{"sha256:03"}, Step: &Step{1, 2, 3, 3, "RUN make"}})
	two := d.Begin(Vertex{ID: "sha256:05", Name: "[stage-1 2/2] RUN test", Step: &Step{2, 2, 2, 2, "RUN test"}})
	fmt.Fprint(one.Stdout(), "compiling a\ncompi")
	c.pass(312 * ms)
	fmt.Fprint(two.Stderr(), "warning: \x1b[31mred\x1b[0m\x1b[2J\x1b]0;title\x07 text\n")
	fmt.Fprint(one.Stdout(), "ling b\r\n10%\r20%\rlast")
	c.pass(time.Second)
	one.Done()
	fmt.Fprint(two.Stdout(), "gone on\n")
	d.Warn("1 warning found:")
	c.pass(time.Second)
	out := d.Begin(Vertex{ID: "sha256:06", Name: "exporting to image"})
	out.Status("exporting layers", 0, 0)
	out.Status("writing image sha256:0123456789abcdef0123", 0, -1)
	out.Status("naming to localhost/x:latest", 0, -1)
	out.Done()
	two.Fail(errors.New("process \"/bin/sh -c test\" did not complete successfully: exit code: 1"))
	left := d.Begin(Vertex{ID: "sha256:07", Name: "[other 2/2] RUN sleep"})
	left.Fail(context.Canceled)
	d.Close(located{})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		os.MkdirAll("testdata", 0o755)
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestGoldens(t *testing.T) {
	for _, mode := range []string{Plain, RawJSON, Quiet} {
		var out bytes.Buffer
		d, c := display(t, Options{Mode: mode, Out: &out})
		aBuild(d, c)
		golden(t, mode+".golden", out.String())
	}
	var out, err bytes.Buffer
	d, c := display(t, Options{Mode: Steps, Out: &err, Stdout: &out, Tags: []string{"x", "y"}})
	aBuild(d, c)
	golden(t, "steps.golden", out.String()+"-- standard error\n"+err.String())
}

func TestAutoLooksForATerminal(t *testing.T) {
	for _, tc := range []struct {
		terminal bool
		term     string
		want     string
	}{
		{false, "xterm", "#1 x\n#1 DONE 0.0s\n"}, {true, "dumb", "#1 x\n#1 DONE 0.0s\n"}, {true, "xterm", "\x1b[?25l\r[+] Building"},
	} {
		var out bytes.Buffer
		d, _ := display(t, Options{Out: &out, Terminal: tc.terminal, Env: func(n string) string { return map[string]string{"TERM": tc.term}[n] }})
		d.Begin(Vertex{Name: "x"}).Done()
		d.Close(nil)
		if !strings.HasPrefix(out.String(), tc.want) {
			t.Errorf("terminal %v, TERM=%s: got %q, want it to begin with %q", tc.terminal, tc.term, out.String(), tc.want)
		}
	}
	if _, err := New(Options{Mode: "fancy"}); err == nil || !strings.Contains(err.Error(), `"fancy"`) {
		t.Errorf("mode fancy: got %v, want an error that names it", err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	var out bytes.Buffer
	d, c := display(t, Options{Mode: Plain, Out: &out})
	v := d.Begin(Vertex{Name: "[1/1] RUN yes"})
	line := []byte(strings.Repeat("y", 1023) + "\n")
	for range 300 { // 300 KiB in the first second
		if n, err := v.Stdout().Write(line); n != len(line) || err != nil {
			t.Fatalf("got %d, %v, want all to be taken", n, err)
		}
	}
	if got, want := strings.Count(out.String(), "yyyy\n"), 200; got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
	if want := "[output clipped, log limit 200KiB/s reached]"; strings.Count(out.String(), want) != 1 {
		t.Errorf("got no or several lines %q", want)
	}
	c.pass(time.Hour)
	for range 10 << 10 {
		v.Stdout().Write(line)
	}
	fmt.Fprintln(v.Stdout(), "the very end")
	if want := "[output clipped, log limit 2MiB reached]"; strings.Count(out.String(), want) != 1 {
		t.Errorf("got no or several lines %q", want)
	}
	v.Done()
	if !strings.Contains(out.String(), " the very end\n#1 DONE") {
		t.Errorf("the end of the output is not shown: %q", out.String()[out.Len()-200:])
	}
	if most := maxStep + 3*maxTail + 64<<10; out.Len() > most {
		t.Errorf("got %d bytes, want %d at the most", out.Len(), most)
	}
	d.Close(nil)
}

func TestALineWithoutEndIsCut(t *testing.T) {
	var out bytes.Buffer
	d, _ := display(t, Options{Mode: RawJSON, Out: &out, Env: func(n string) string { return "-1" }})
	v := d.Begin(Vertex{Name: "x"}).(*item)
	for range 100 {
		v.Stdout().Write(bytes.Repeat([]byte("é"), 5000))
		if n := len(v.out.partial[0]); n > maxLine {
			t.Fatalf("got a line of %d bytes, want %d at the most", n, maxLine)
		}
	}
	if v.log.size > maxKept {
		t.Errorf("got %d bytes kept, want %d at the most", v.log.size, maxKept)
	}
	for _, l := range v.log.lines {
		if strings.ContainsRune(l.text, '�') {
			t.Fatalf("a character was cut in two")
		}
	}
	d.Close(nil)
}

func TestLinesEndWhereChunksDoNot(t *testing.T) {
	for _, chunks := range [][]string{
		{"a\r\nb\rc\nd"}, {"a\r", "\nb", "\r", "c", "\n", "d"}, {"a", "\r", "\n", "b\r", "c\nd"},
	} {
		var out bytes.Buffer
		d, _ := display(t, Options{Mode: Plain, Out: &out})
		v := d.Begin(Vertex{Name: "x"})
		for _, s := range chunks {
			fmt.Fprint(v.Stdout(), s)
		}
		v.Done()
		want := "#1 x\n#1 0.000 a\n#1 0.000 b\n#1 0.000 c\n#1 0.000 d\n#1 DONE 0.0s\n"
		if out.String() != want {
			t.Errorf("%q: got %q, want %q", chunks, out.String(), want)
		}
	}
}

func TestCleanLeavesOutOrders(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                      "plain",
		"a\tb":                       "a\tb",
		"\x1b[31mred\x1b[0m":         "red",
		"\x1b[2J\x1b[1;1Hx":          "x",
		"\x1b]0;title\x07x":          "x",
		"\x1b]8;;http://x\x1b\\link": "link",
		"\x1b]0;no end":              "0;no end",
		"\x1b(Bx":                    "x",
		"\x1b7x\x1b8":                "x",
		"\u009b2Jx":                  "x",
		"a\x08\x08b\x7f\x00":         "ab",
		"\xff\xfe":                   "��",
		"\u202eabc":                  "abc",
		"grün 日本":                    "grün 日本",
		"\x1b":                       "",
		"\x1b[":                      "",
		"\x1b[31":                    "",
		"\x1bPq\x1b\\x":              "x",
		"\x1b[3\x1b[2Jx":             "x",
		"two\nlines\rthree":          "two lines three",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mred\x1b]0;x\x07\u009b1A")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range clean(s) {
			if r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
				t.Fatalf("%q: got %q, which has %U", s, clean(s), r)
			}
		}
	})
}

// TestManyAtOnce is for the race detector, and counts that no line is lost.
func TestManyAtOnce(t *testing.T) {
	for _, mode := range []string{Plain, Steps, TTY, RawJSON, Quiet} {
		var out bytes.Buffer
		d, err := New(Options{Mode: mode, Out: &out, Terminal: true, Env: noEnv})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				v := d.Begin(Vertex{ID: fmt.Sprint(i), Name: fmt.Sprintf("[%d/8] RUN x", i), Step: &Step{1, 1, i, 8, "RUN x"}})
				for n := range 100 {
					fmt.Fprintf(v.Stdout(), "line %d.%d\n", i, n)
					v.Status("part", int64(n), 99)
				}
				v.Done()
			})
		}
		all.Wait()
		d.Close(nil)
		d.Close(nil)
		d.Warn("too late")
		d.Begin(Vertex{Name: "too late"}).Done()
		if got := strings.Count(out.String(), " line ") + strings.Count(out.String(), "\nline "); got != 800 && (mode == Plain || mode == Steps) {
			t.Errorf("%s: got %d lines, want 800", mode, got)
		}
		if strings.Contains(out.String(), "too late") {
			t.Errorf("%s: got what came after the end", mode)
		}
	}
}
