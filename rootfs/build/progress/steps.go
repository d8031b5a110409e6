package progress

import (
	"fmt"
	"io"
	"strings"
)

// steps are Podman's lines: on standard output the instructions and what their
// programs print there, on standard error the rest. Of several stages at once one
// has its turn until its step ends, as with plain.
type steps struct {
	b      *board
	w, err io.Writer
	tags   []string

	current *item
	waiting []waitingStep
}

// waitingStep is a step whose turn has not come.
type waitingStep struct {
	it    *item
	lines []stepLine
	size  int
	over  bool
}

type stepLine struct {
	w    io.Writer
	text string
}

// Beginnings of the names of BuildKit's vertices and of their parts that have a
// line in Podman.
const (
	exporting = "exporting to "
	writing   = "writing image sha256:"
	naming    = "naming to "
	fromTitle = "FROM "
)

func (s *steps) began(it *item) {
	switch {
	case it.v.Step != nil:
		s.say(it, s.w, stepTitle(it.v.Step))
	case strings.HasPrefix(it.name, exporting):
		name := ""
		if len(s.tags) > 0 {
			name = " " + clean(s.tags[0])
		}
		s.say(it, s.w, "COMMIT"+name)
	}
}

// stepTitle is the line that Podman begins a step with.
func stepTitle(p *Step) string {
	stage := ""
	if p.Stages > 1 {
		stage = fmt.Sprintf("[%d/%d] ", p.Stage, p.Stages)
	}
	return fmt.Sprintf("%sSTEP %d/%d: %s", stage, p.Number, p.Total, clean(p.Title))
}

// say prints a line of a vertex when it has its turn.
func (s *steps) say(it *item, w io.Writer, text string) {
	if s.current == nil {
		s.current = it
	}
	if s.current == it {
		fmt.Fprintln(w, text)
		return
	}
	q := s.wait(it)
	q.lines = append(q.lines, stepLine{w, text})
	if q.size += len(text); q.size > maxWaiting {
		s.turn(it)
	}
}

func (s *steps) wait(it *item) *waitingStep {
	for i := range s.waiting {
		if s.waiting[i].it == it {
			return &s.waiting[i]
		}
	}
	s.waiting = append(s.waiting, waitingStep{it: it})
	return &s.waiting[len(s.waiting)-1]
}

// turn lets a vertex print what it has waiting and go on.
func (s *steps) turn(it *item) {
	if s.current != nil && s.current != it {
		s.wait(s.current)
	}
	s.current = it
	for i := range s.waiting {
		if s.waiting[i].it != it {
			continue
		}
		q := s.waiting[i]
		s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
		for _, l := range q.lines {
			fmt.Fprintln(l.w, l.text)
		}
		if q.over {
			s.current = nil
		}
		return
	}
}

func (s *steps) line(it *item, stream int, _ []byte) {
	w := s.w
	if stream == 2 {
		w = s.err
	}
	s.say(it, w, it.log.last(1)[0].text)
}

func (s *steps) status(it *item, p *part) {
	id, isImage := strings.CutPrefix(p.name, writing)
	name, isName := strings.CutPrefix(p.name, naming)
	first := p.shownAt.IsZero()
	p.shownAt = s.b.now()
	switch {
	case !first:
	case isImage && len(id) >= 12:
		s.say(it, s.w, "--> "+id[:12])
	case isName:
		s.say(it, s.w, "Successfully tagged "+name)
	case it.v.Step != nil && strings.HasPrefix(it.v.Step.Title, fromTitle) && len(it.parts) == 1:
		image := strings.Fields(strings.TrimPrefix(it.v.Step.Title, fromTitle))
		for len(image) > 1 && strings.HasPrefix(image[0], "--") {
			image = image[1:]
		}
		if len(image) > 0 {
			s.say(it, s.err, "Trying to pull "+clean(image[0])+"...")
		}
	}
}

func (s *steps) ended(it *item) {
	if it.state == cached && it.v.Step != nil && !strings.HasPrefix(it.v.Step.Title, fromTitle) {
		s.say(it, s.w, "--> Using cache")
	}
	if s.current != it {
		for i := range s.waiting {
			if s.waiting[i].it == it {
				s.waiting[i].over = true
			}
		}
		return
	}
	s.current = nil
	for len(s.waiting) > 0 && s.current == nil {
		s.turn(s.waiting[0].it)
	}
}

func (s *steps) tick() {}

func (s *steps) warn(line string) { fmt.Fprintln(s.err, line) }

func (s *steps) close(err error) { showExcerpt(s.err, err) }
