package progress

import (
	"fmt"
	"io"
	"time"
)

// When plain lines turn to another vertex than the one that they are about.
const (
	minTurn     = 5 * time.Second // how long one that still prints stays
	maxWaiting  = 64 << 10        // bytes that another one has waiting
	partDelta   = 5 * time.Second // how often a part is shown
	partPercent = 5
)

// plain are BuildKit's lines. They are about one vertex at a time; what the others
// print waits, so that a reader finds together what belongs together.
type plain struct {
	b *board
	w io.Writer

	numbers int
	any     bool // something was printed
	current *item
	since   time.Time // when current became it
	waiting []pending
}

// pending are lines of a vertex whose turn has not come.
type pending struct {
	it    *item
	lines []string
	size  int
}

func (p *plain) began(it *item) {
	// One that ends at once is shown with its end; the others when they have
	// something to say, or at the next tick.
	if p.current == nil {
		p.turn(it)
		return
	}
	p.wait(it)
}

// wait is what a vertex has waiting.
func (p *plain) wait(it *item) *pending {
	for i := range p.waiting {
		if p.waiting[i].it == it {
			return &p.waiting[i]
		}
	}
	p.waiting = append(p.waiting, pending{it: it})
	return &p.waiting[len(p.waiting)-1]
}

// turn makes a vertex the one that the lines are about, and prints what it has
// waiting.
func (p *plain) turn(it *item) {
	if p.current != it {
		if it.index == 0 {
			p.numbers++
			it.index = p.numbers
		}
		if p.current != nil {
			fmt.Fprintf(p.w, "#%d ...\n", p.current.index)
			p.wait(p.current)
		}
		if p.any {
			fmt.Fprintln(p.w)
		}
		p.any = true
		fmt.Fprintf(p.w, "#%d %s\n", it.index, it.name)
		p.current, p.since = it, p.b.now()
	}
	for i := range p.waiting {
		if p.waiting[i].it != it {
			continue
		}
		for _, l := range p.waiting[i].lines {
			fmt.Fprintf(p.w, "#%d %s\n", it.index, l)
		}
		p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
		break
	}
}

// say prints a line of a vertex, now or later.
func (p *plain) say(it *item, text string) {
	if p.current == nil {
		p.turn(it)
	}
	if p.current == it {
		fmt.Fprintf(p.w, "#%d %s\n", it.index, text)
		return
	}
	w := p.wait(it)
	w.lines = append(w.lines, text)
	w.size += len(text)
	if w.size > maxWaiting {
		p.turn(it)
	}
}

func (p *plain) line(it *item, _ int, _ []byte) { p.say(it, it.log.last(1)[0].String()) }

func (p *plain) status(it *item, s *part) {
	now := p.b.now()
	if s.ended.IsZero() && !s.shownAt.IsZero() {
		far := s.total > 0 && (s.current-s.shown)*100 >= partPercent*s.total
		if !far && now.Sub(s.shownAt) < partDelta {
			return
		}
	}
	s.shown, s.shownAt = s.current, now
	text := s.name
	if a := s.amount(); a != "" {
		text += " " + a
	}
	end := now
	if !s.ended.IsZero() {
		end = s.ended
	}
	if d := end.Sub(s.started).Seconds(); d > 0.01 {
		text += fmt.Sprintf(" %.1fs", d)
	}
	if !s.ended.IsZero() {
		text += " done"
	}
	p.say(it, text)
}

// amount is how much of a part is done.
func (s *part) amount() string {
	switch {
	case s.total == 1: // that something was done, not how much of it
		return ""
	case s.total > 0:
		return decimal(s.current) + " / " + decimal(s.total)
	case s.current > 0:
		return decimal(s.current)
	}
	return ""
}

// decimal is a number of bytes as BuildKit writes it.
func decimal(n int64) string {
	units := [...]string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d%s", n, units[i])
	}
	return fmt.Sprintf("%.2f%s", f, units[i])
}

func (p *plain) ended(it *item) {
	p.turn(it)
	switch it.state {
	case cached:
		fmt.Fprintf(p.w, "#%d CACHED\n", it.index)
	case canceled:
		fmt.Fprintf(p.w, "#%d CANCELED\n", it.index)
	case failed:
		fmt.Fprintf(p.w, "#%d ERROR: %s\n", it.index, it.reason())
	default:
		fmt.Fprintf(p.w, "#%d DONE %.1fs\n", it.index, it.spent().Seconds())
	}
	p.current = nil
	if len(p.waiting) > 0 && p.waiting[0].size > 0 {
		p.turn(p.waiting[0].it)
	}
}

// tick gives the turn to one that has waited for long, if the current one had its
// time.
func (p *plain) tick() {
	if p.current != nil && p.b.now().Sub(p.since) < minTurn {
		return
	}
	for i := range p.waiting {
		if w := &p.waiting[i]; w.size > 0 || w.it.index == 0 {
			p.turn(w.it)
			return
		}
	}
}

func (p *plain) warn(line string) {
	if p.current != nil {
		fmt.Fprintf(p.w, "#%d ...\n\n", p.current.index)
		p.wait(p.current)
		p.current = nil
	}
	fmt.Fprintln(p.w, line)
}

func (p *plain) close(err error) {
	for _, it := range p.b.failures() {
		showFailure(p.w, it, 10)
	}
	showExcerpt(p.w, err)
}
