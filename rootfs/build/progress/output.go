package progress

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Bounds of what is shown of a step's output; the step itself goes on.
const (
	maxStep  = 2 << 20   // bytes in all. BuildKit: BUILDKIT_STEP_LOG_MAX_SIZE
	maxSpeed = 200 << 10 // bytes a second. BuildKit: BUILDKIT_STEP_LOG_MAX_SPEED
	maxLine  = 32 << 10  // bytes of a line, then it is cut
	maxTail  = 16 << 10  // bytes of the end of what was left out, shown at last
	maxKept  = 256 << 10 // bytes that are shown again when the step fails
)

// limits are bounds of a step's output; negative ones are none.
type limits struct{ size, speed int }

func limitsOf(env func(string) string) limits {
	read := func(name string, def int) int {
		if n, err := strconv.ParseInt(env(name), 10, 32); err == nil {
			return int(n)
		}
		return def
	}
	return limits{read("BUILDKIT_STEP_LOG_MAX_SIZE", maxStep), read("BUILDKIT_STEP_LOG_MAX_SPEED", maxSpeed)}
}

// allowed is how many bytes may have come after this time, and what to call that
// bound; negative is no bound.
func (l limits) allowed(spent time.Duration) (int, string) {
	most, name := l.size, binary(l.size)
	if l.speed >= 0 {
		n := int(math.Min(math.Ceil(math.Max(spent.Seconds(), 0.001))*float64(l.speed), math.MaxInt32))
		if most < 0 || n < most {
			return n, binary(l.speed) + "/s"
		}
	}
	return most, name
}

// binary is a number of bytes with the largest binary unit that leaves it whole.
func binary(n int) string {
	units := [...]string{"B", "KiB", "MiB", "GiB"}
	i := 0
	for n > 0 && n%1024 == 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return fmt.Sprintf("%d%s", n, units[i])
}

// stream is one of the two that a step's program writes to.
type stream struct {
	it     *item
	number int
}

// Write never fails and never waits for more than the display: a step is not to
// end because somebody does not look.
func (s stream) Write(p []byte) (int, error) {
	s.it.b.mu.Lock()
	defer s.it.b.mu.Unlock()
	if s.it.state == running {
		s.it.out.write(s.it, s.number, p)
	}
	return len(p), nil
}

// output is what a step's program prints, on its way to lines.
type output struct {
	size     int       // bytes that were let through
	clipping bool      // the last bytes were not
	tail     []byte    // the end of what was left out
	tailOf   int       // its stream
	partial  [2][]byte // lines that have no end yet
}

func (o *output) write(it *item, number int, p []byte) {
	most, name := it.b.limit.allowed(it.b.now().Sub(it.started))
	n := len(p)
	if most >= 0 {
		n = min(n, max(most-o.size, 0))
	}
	o.size += n
	if n > 0 && o.clipping {
		o.clipping = false
		o.tail = nil
	}
	o.cut(it, number, p[:n])
	if n == len(p) {
		return
	}
	if !o.clipping {
		o.clipping = true
		o.endLine(it, number)
		it.line(number, fmt.Appendf(nil, "[output clipped, log limit %s reached]\n", name))
	}
	o.tailOf = number
	if o.tail = append(o.tail, p[max(n, len(p)-maxTail):]...); len(o.tail) > 2*maxTail {
		o.tail = append([]byte(nil), o.tail[len(o.tail)-maxTail:]...)
	}
}

// cut makes lines of p.
func (o *output) cut(it *item, number int, p []byte) {
	rest := &o.partial[number-1]
	for len(p) > 0 {
		// A CR before a LF is a part of the line's end, and that may be the next chunk's.
		if n := len(*rest); n > 0 && (*rest)[n-1] == '\r' {
			if p[0] == '\n' {
				*rest, p = append(*rest, '\n'), p[1:]
			}
			o.give(it, number)
			continue
		}
		i := bytes.IndexAny(p, "\r\n")
		switch {
		case i < 0 && len(*rest)+len(p) <= maxLine:
			*rest = append(*rest, p...)
			return
		case i < 0 || len(*rest)+i > maxLine:
			n := whole(p[:max(maxLine-len(*rest), 0)])
			*rest, p = append(*rest, p[:n]...), p[n:]
			o.endLine(it, number)
		case p[i] == '\r':
			*rest, p = append(*rest, p[:i+1]...), p[i+1:]
		default:
			*rest, p = append(*rest, p[:i+1]...), p[i+1:]
			o.give(it, number)
		}
	}
}

// whole is the length of p without a character at its end that is not whole.
func whole(p []byte) int {
	for n := len(p); n > 0 && n > len(p)-utf8.UTFMax; n-- {
		if utf8.RuneStart(p[n-1]) {
			if utf8.FullRune(p[n-1:]) {
				return len(p)
			}
			return n - 1
		}
	}
	return len(p)
}

// endLine ends the line that has begun, if one has.
func (o *output) endLine(it *item, number int) {
	if rest := &o.partial[number-1]; len(*rest) > 0 {
		*rest = append(*rest, '\n')
		o.give(it, number)
	}
}

func (o *output) give(it *item, number int) {
	rest := &o.partial[number-1]
	it.line(number, *rest)
	*rest = (*rest)[:0]
}

// flush gives what is left when the step ends, with the end of what was left out.
func (o *output) flush(it *item) {
	tail := o.tail
	o.tail = nil
	o.endLine(it, 1)
	o.endLine(it, 2)
	if len(tail) > maxTail {
		tail = tail[len(tail)-maxTail:]
	}
	if i := bytes.IndexByte(tail, '\n'); i >= 0 && i < len(tail)-1 && len(tail) == maxTail {
		tail = tail[i+1:]
	}
	if len(tail) > 0 {
		o.cut(it, o.tailOf, tail)
		o.endLine(it, o.tailOf)
	}
	o.partial = [2][]byte{}
}

// line is one line of the step's output, with its end.
func (it *item) line(number int, text []byte) {
	it.log.add(it.b.now().Sub(it.started), clean(string(bytes.TrimRight(text, "\r\n"))))
	it.b.front.line(it, number, text)
}

// log is the end of a step's output as lines that can be shown.
type log struct {
	lines []logLine
	size  int
	// dropped says that there were lines before.
	dropped bool
}

type logLine struct {
	at   time.Duration // since the step began
	text string
}

func (l *log) add(at time.Duration, text string) {
	l.lines = append(l.lines, logLine{at, text})
	// A line takes some memory even if it is empty.
	for l.size += len(text) + 32; l.size > maxKept; l.dropped = true {
		l.size -= len(l.lines[0].text) + 32
		l.lines = l.lines[1:]
	}
}

// last are the last n lines.
func (l *log) last(n int) []logLine { return l.lines[max(len(l.lines)-n, 0):] }

func (l logLine) String() string { return fmt.Sprintf("%.3f %s", l.at.Seconds(), l.text) }
