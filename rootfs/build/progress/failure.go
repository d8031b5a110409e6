package progress

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// showFailure prints the end of what a step that failed has printed; lines below
// zero are all that are kept.
func showFailure(w io.Writer, it *item, lines int) {
	fmt.Fprintf(w, "------\n > %s:\n", it.name)
	list, cut := it.log.lines, it.log.dropped
	if lines >= 0 && len(list) > lines {
		list, cut = it.log.last(lines), true
	}
	if cut && lines < 0 {
		fmt.Fprintln(w, "[what came before is left out]")
	}
	for _, l := range list {
		fmt.Fprintln(w, l)
	}
	fmt.Fprintln(w, "------")
}

// showExcerpt prints the lines of the Dockerfile that an error is about.
func showExcerpt(w io.Writer, err error) {
	var l Located
	if !errors.As(err, &l) {
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(l.Excerpt(), "\n"), "\n") {
		fmt.Fprintln(w, clean(line))
	}
}

// quiet shows nothing but what a step that failed has printed.
type quiet struct {
	w     io.Writer
	board *board
}

func (q *quiet) began(it *item)          { q.board = it.b }
func (q *quiet) line(*item, int, []byte) {}
func (q *quiet) status(*item, *part)     {}
func (q *quiet) ended(*item)             {}
func (q *quiet) warn(string)             {}
func (q *quiet) tick()                   {}

func (q *quiet) close(err error) {
	if q.board != nil {
		for _, it := range q.board.failures() {
			showFailure(q.w, it, -1)
		}
	}
	showExcerpt(q.w, err)
}
