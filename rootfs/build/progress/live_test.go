package progress

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clipperhouse/displaywidth"
)

// terminal is as much of a terminal as a live display may use; anything else is a
// failure of the test.
type terminal struct {
	t       *testing.T
	columns int
	lines   [][]rune
	x, y    int
	hidden  bool
	writes  int
}

func (m *terminal) Write(p []byte) (int, error) {
	m.writes++
	for s := []rune(string(p)); len(s) > 0; {
		switch r := s[0]; {
		case r == '\x1b':
			s = m.order(s)
			continue
		case r == '\r':
			m.x = 0
		case r == '\n':
			m.x, m.y = 0, m.y+1
		case r < ' ':
			m.t.Errorf("got control character %q", r)
		default:
			m.put(r)
		}
		s = s[1:]
	}
	return len(p), nil
}

func (m *terminal) line() *[]rune {
	for len(m.lines) <= m.y {
		m.lines = append(m.lines, nil)
	}
	return &m.lines[m.y]
}

func (m *terminal) put(r rune) {
	w := displaywidth.Rune(r)
	if m.x+w > m.columns {
		m.x, m.y = 0, m.y+1
	}
	l := m.line()
	for len(*l) < m.x+w {
		*l = append(*l, ' ')
	}
	(*l)[m.x] = r
	for i := 1; i < w; i++ {
		(*l)[m.x+i] = 0
	}
	m.x += w
}

func (m *terminal) order(s []rune) []rune {
	end := 2
	for end < len(s) && (s[end] < '@' || s[end] > '~') {
		end++
	}
	if len(s) < 3 || s[1] != '[' || end == len(s) {
		m.t.Fatalf("got order %q", string(s))
	}
	arg := string(s[2:end])
	switch string(s[end]) {
	case "A":
		n := 0
		fmt.Sscan(arg, &n)
		if m.y -= n; m.y < 0 {
			m.t.Errorf("the cursor went %d lines above the first one", -m.y)
			m.y = 0
		}
	case "K":
		l := m.line()
		*l = (*l)[:min(m.x, len(*l))]
	case "J":
		l := m.line()
		*l = (*l)[:min(m.x, len(*l))]
		m.lines = m.lines[:m.y+1]
	case "l", "h":
		m.hidden = string(s[end]) == "l"
	case "m":
	default:
		m.t.Errorf("got order %q", string(s[:end+1]))
	}
	return s[end+1:]
}

func (m *terminal) String() string {
	var out strings.Builder
	for _, l := range m.lines {
		for _, r := range l {
			if r != 0 {
				out.WriteRune(r)
			}
		}
		out.WriteByte('\n')
	}
	return strings.TrimRight(out.String(), "\n ")
}

// liveOn is a display on a terminal of the test, drawn when the test says so.
func liveOn(t *testing.T, columns, rows int, env func(string) string) (*board, *live, *terminal, *clock) {
	m := &terminal{t: t, columns: columns}
	c := newClock()
	o := Options{Out: m, Terminal: true, Columns: columns, Rows: rows, Now: c.Now, Env: env}
	o.complete()
	b := &board{now: c.Now, started: c.Now(), limit: limitsOf(env)}
	l := newLive(b, o)
	b.front = l
	return b, l, m, c
}

func TestLiveFrame(t *testing.T) {
	b, _, m, c := liveOn(t, 60, 20, noEnv)
	load := b.Begin(Vertex{Name: "[internal] load build definition from Dockerfile"})
	c.pass(100 * time.Millisecond)
	load.Done()
	b.Begin(Vertex{Name: "[1/3] FROM busybox"}).Cached()
	v := b.Begin(Vertex{Name: "[2/3] RUN make with many words that do not fit on a line"})
	fmt.Fprint(v.Stdout(), "one\ntwo\x1b[2J\x1b[H\rthree\nnot whole")
	v.Status("sha256:1234", 500000, 2000000)
	c.pass(1200 * time.Millisecond)
	b.tick()
	want := strings.Join([]string{
		"[+] Building 1.3s (2/3)",
		" => [internal] load build definition from Dockerfile   0.1s",
		" => CACHED [1/3] FROM busybox                          0.0s",
		" => [2/3] RUN make with many words that do not fit on  1.2s",
		" => => sha256:1234                  500.00kB / 2.00MB  1.2s",
		" => => # one",
		" => => # two",
		" => => # three",
		" => => # not whole",
	}, "\n")
	if got := m.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if m.hidden {
		t.Error("the cursor is hidden between frames")
	}
	writes := m.writes
	b.tick()
	if m.writes != writes+1 {
		t.Errorf("a frame took %d writes, want 1", m.writes-writes)
	}
	if got := m.String(); got != want {
		t.Errorf("the same frame again: got\n%s\nwant\n%s", got, want)
	}
	v.Done()
	b.Close(nil)
	want = strings.Join([]string{
		"[+] Building 1.3s (3/3) FINISHED",
		" => [internal] load build definition from Dockerfile   0.1s",
		" => CACHED [1/3] FROM busybox                          0.0s",
		" => [2/3] RUN make with many words that do not fit on  1.2s",
		" => => sha256:1234                  500.00kB / 2.00MB  1.2s",
	}, "\n")
	if got := m.String(); got != want {
		t.Errorf("at the end: got\n%s\nwant\n%s", got, want)
	}
}

func TestLiveShowsAFailedStepsWholeOutput(t *testing.T) {
	b, _, m, _ := liveOn(t, 60, 10, noEnv)
	v := b.Begin(Vertex{Name: "[2/2] RUN false"})
	for i := range 50 {
		fmt.Fprintf(v.Stderr(), "line %d\n", i)
	}
	b.tick()
	v.Fail(errors.New("exit code: 1"))
	b.Warn("1 warning found")
	b.Close(located{})
	got := m.String()
	for _, want := range []string{
		" => ERROR [2/2] RUN false", "\n > [2/2] RUN false:\n0.000 line 0\n", "0.000 line 49\n------\n1 warning found\n", ">>> RUN false",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant it to have %q", got, want)
		}
	}
}

func TestLiveStaysOnTheScreen(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {20, 5}, {5, 3}, {1, 1}, {200, 2}} {
		b, l, m, c := liveOn(t, size[0], size[1], noEnv)
		for i := range 30 {
			v := b.Begin(Vertex{Name: fmt.Sprintf("[%d/30] RUN 日本語 step %d", i, i)})
			v.Status("part", 1, 2)
			fmt.Fprintf(v.Stdout(), "out %d\n", i)
			if i%3 == 0 {
				v.Done()
			}
			c.pass(time.Second)
			b.tick()
			if n := len(m.lines); n > max(size[1], 2) {
				t.Fatalf("%v: the frame takes %d lines:\n%s", size, n, m)
			}
		}
		lines := l.frame(size[0], size[1]-1, false)
		if size[1] > 20 && !strings.Contains(strings.Join(lines, "\n"), "step 29") {
			t.Errorf("%v: the step that runs is not shown:\n%s", size, strings.Join(lines, "\n"))
		}
		b.Close(nil)
	}
}

func TestLiveFollowsTheSize(t *testing.T) {
	b, l, m, _ := liveOn(t, 60, 20, noEnv)
	v := b.Begin(Vertex{Name: "[2/3] RUN make with many words that do not fit on a line"})
	b.tick()
	// A terminal that becomes narrower breaks the lines that are there.
	before := strings.Split(m.String(), "\n")
	*m = terminal{t: t, columns: 30}
	for _, line := range before {
		fmt.Fprintf(m, "%s\n", line)
	}
	l.o.Columns = 30
	b.tick()
	want := "[+] Building 0.0s (0/1)\n => [2/3] RUN make with  0.0s"
	if got := m.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	v.Done()
	b.Close(nil)
}

func TestColours(t *testing.T) {
	env := func(vars map[string]string) func(string) string { return func(n string) string { return vars[n] } }
	for _, tc := range []struct {
		vars map[string]string
		want string
	}{
		{nil, "\x1b[34m => x"},
		{map[string]string{"NO_COLOR": "1"}, "\n => x"},
		{map[string]string{"BUILDKIT_COLORS": "run=green:error=1,2,3"}, "\x1b[32m => x"},
		{map[string]string{"BUILDKIT_COLORS": "run=1,20,255"}, "\x1b[38;2;1;20;255m => x"},
		{map[string]string{"BUILDKIT_COLORS": "run=1,20,256:run=\x1b[2J:bad"}, "\x1b[34m => x"},
	} {
		var out bytes.Buffer
		d, _ := display(t, Options{Mode: TTY, Out: &out, Env: env(tc.vars)})
		d.Begin(Vertex{Name: "x"}).Done()
		d.Close(nil)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%v: got %q, want it to have %q", tc.vars, out.String(), tc.want)
		}
	}
}
