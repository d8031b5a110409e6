package progress

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	redrawEvery = 100 * time.Millisecond
	windowLines = 6 // of the output of a step that runs
	maxWarnings = 64
)

// live is BuildKit's display on a terminal: a frame that is drawn again and again
// in place. A frame never fills the screen, so nothing scrolls but at the end.
type live struct {
	b       *board
	o       Options
	paint   palette
	screen  screen
	warned  []string
	omitted int
}

func newLive(b *board, o Options) *live {
	return &live{b: b, o: o, paint: newPalette(o.Env), screen: screen{w: o.Out}}
}

func (l *live) began(*item)             {}
func (l *live) line(*item, int, []byte) {}
func (l *live) status(*item, *part)     {}
func (l *live) ended(*item)             {}

func (l *live) warn(line string) {
	if len(l.warned) == maxWarnings {
		l.omitted++
		return
	}
	l.warned = append(l.warned, line)
}

func (l *live) tick() {
	if len(l.b.items) == 0 {
		return
	}
	columns, rows := l.o.size()
	l.screen.draw(l.frame(columns, rows-1, false), columns)
}

func (l *live) close(err error) {
	columns, _ := l.o.size()
	if len(l.b.items) > 0 {
		l.screen.draw(l.frame(columns, -1, err == nil), columns)
	}
	for _, it := range l.b.failures() {
		showFailure(l.o.Out, it, -1)
	}
	for _, w := range l.warned {
		fmt.Fprintln(l.o.Out, l.paint.warning(w))
	}
	if l.omitted > 0 {
		fmt.Fprintf(l.o.Out, "%d more warnings\n", l.omitted)
	}
	showExcerpt(l.o.Out, err)
}

// row is one line of a frame: what is on the left, what on the right, and how it
// is shown.
type row struct {
	left, right string
	paint       func(string) string
}

// frame makes the lines of the display. With rows below zero there may be any
// number of them.
func (l *live) frame(columns, rows int, finished bool) []string {
	ended := 0
	for _, it := range l.b.items {
		if it.state != running {
			ended++
		}
	}
	head := fmt.Sprintf("[+] Building %.1fs (%d/%d)", l.b.now().Sub(l.b.started).Seconds(), ended, len(l.b.items))
	if finished {
		head += " FINISHED"
	}
	out := []string{fit(head, columns-1)}
	for _, r := range l.rows(rows - 1) {
		text := join(r.left, r.right, columns-1)
		if r.paint != nil {
			text = r.paint(text)
		}
		out = append(out, text)
	}
	if rows >= 0 && len(out) > max(rows, 1) {
		out = out[:max(rows, 1)]
	}
	return out
}

// rows are the lines below the head, at most so many. What runs is shown first,
// then how far it is, then what it prints, and of what has ended the latest.
func (l *live) rows(most int) []row {
	blocks := make([][]row, len(l.b.items))
	free := most
	take := func(n int) int {
		if most < 0 {
			return n
		}
		n = max(min(n, free), 0)
		free -= n
		return n
	}
	for i := len(l.b.items) - 1; i >= 0; i-- {
		if it := l.b.items[i]; it.state == running && take(1) == 1 {
			blocks[i] = []row{l.heading(it)}
		}
	}
	for i, it := range l.b.items {
		if it.state == running && blocks[i] != nil {
			parts := l.parts(it)
			blocks[i] = append(blocks[i], parts[len(parts)-take(len(parts)):]...)
		}
	}
	for i, it := range l.b.items {
		if it.state == running && blocks[i] != nil {
			lines := it.window()
			for _, text := range lines[len(lines)-take(len(lines)):] {
				blocks[i] = append(blocks[i], row{left: " => => # " + text, paint: l.paint.faint})
			}
		}
	}
	for i := len(l.b.items) - 1; i >= 0; i-- {
		it := l.b.items[i]
		if it.state == running || take(1) == 0 {
			continue
		}
		parts := l.parts(it)
		blocks[i] = append([]row{l.heading(it)}, parts[len(parts)-take(len(parts)):]...)
	}
	var out []row
	for _, b := range blocks {
		out = append(out, b...)
	}
	return out
}

// window are the last lines that a running step has printed.
func (it *item) window() (out []string) {
	for _, l := range it.log.last(windowLines) {
		if strings.TrimSpace(l.text) != "" {
			out = append(out, l.text)
		}
	}
	for _, rest := range it.out.partial {
		if text := clean(string(bytes.TrimRight(rest, "\r\n"))); strings.TrimSpace(text) != "" {
			out = append(out, text)
		}
	}
	return out[max(len(out)-windowLines, 0):]
}

func seconds(d time.Duration) string {
	if d < 50*time.Millisecond {
		d = 0
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

func (l *live) heading(it *item) row {
	r := row{left: " => " + it.name, right: seconds(it.spent())}
	switch it.state {
	case running:
	case cached:
		r.left, r.paint = " => CACHED "+it.name, l.paint.done
	case failed:
		r.left, r.paint = " => ERROR "+it.name, l.paint.failed
	case canceled:
		r.left, r.paint = " => CANCELED "+it.name, l.paint.canceled
	default:
		r.paint = l.paint.done
	}
	return r
}

func (l *live) parts(it *item) []row {
	out := make([]row, 0, len(it.parts))
	for _, p := range it.parts {
		end := p.ended
		var paint func(string) string
		switch {
		case !end.IsZero():
			paint = l.paint.done
		case it.state != running:
			end = it.ended
		default:
			end = l.b.now()
		}
		right := seconds(end.Sub(p.started))
		if a := p.amount(); a != "" {
			right = a + "  " + right
		}
		out = append(out, row{left: " => => " + p.name, right: right, paint: paint})
	}
	return out
}

// screen draws frames on a terminal, each over the one before.
type screen struct {
	w io.Writer
	// last are the widths of the lines of the frame that is there.
	last []int
}

// draw replaces the frame that is there, with one write, so that no half of it is
// ever seen. Between frames the cursor stands below and is visible.
func (s *screen) draw(lines []string, columns int) {
	var out bytes.Buffer
	out.WriteString("\x1b[?25l")
	up := 0
	for _, w := range s.last { // a terminal that became narrower has broken them
		up += 1 + max(w-1, 0)/max(columns, 1)
	}
	if up > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", up)
	}
	out.WriteByte('\r')
	s.last = s.last[:0]
	for _, l := range lines {
		out.WriteString(l)
		out.WriteString("\x1b[K\n")
		s.last = append(s.last, width(l))
	}
	out.WriteString("\x1b[J\x1b[?25h")
	s.w.Write(out.Bytes())
}
