// Package progress shows a build to a person (plain lines, Podman's lines or a
// live display), or to a program (rawjson), while it goes on.
//
// Not here: what the build does.
package progress

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Display is told what happens. Its methods may be called from several
// goroutines.
type Display interface {
	// Begin announces a vertex, one line of the display: a step, a pull, an export.
	Begin(v Vertex) Vertical
	// Warn shows a line that belongs to no vertex.
	Warn(line string)
	// Close ends the display: of a live one the last state stays on the screen. err
	// is how the build ended; one that is a Located shows its lines.
	Close(err error)
}

// Vertex is one line of the display.
type Vertex struct {
	// ID is a digest that the same step has in each build, for rawjson.
	ID string
	// Name is such as "[build 2/5] RUN make" or "exporting to image".
	Name string
	// Inputs are IDs of vertices that came before.
	Inputs []string
	// Minor is an instruction that only changes the configuration: nothing but
	// Podman's lines show it.
	Minor bool
	// Step says which instruction it is, for Podman's lines; nil for what is none.
	Step *Step
}

// Step is an instruction's place in a Dockerfile.
type Step struct {
	// Stage counts from 1 among the Stages that are built.
	Stage, Stages int
	// Number counts from 1, FROM's, to Total.
	Number, Total int
	// Title is the instruction as written, such as "FROM busybox".
	Title string
}

// Vertical is one vertex under way. Exactly one of Done, Cached and Fail ends it.
type Vertical interface {
	// Output are for what the step's program prints. They may be written to until
	// the vertex ends.
	Stdout() io.Writer
	Stderr() io.Writer
	// Status reports how far a part of the vertex is, such as a layer of a pull, in
	// bytes; total 0 is unknown. The part is done when current reaches total, when
	// total is negative, or with the vertex.
	Status(name string, current, total int64)
	Done()
	Cached()
	Fail(err error)
}

// Located is an error that can show the lines of a Dockerfile that it is about.
type Located interface {
	error
	Excerpt() string
}

// Modes.
const (
	Auto    = "auto"    // TTY on a terminal, else Plain
	Plain   = "plain"   // BuildKit's lines
	Steps   = "steps"   // Podman's lines
	TTY     = "tty"     // a live display
	Quiet   = "quiet"   // nothing but what failed
	RawJSON = "rawjson" // BuildKit's client.SolveStatus, one a line
)

// Options say how to show a build.
type Options struct {
	// Mode is one of the modes; empty is Auto.
	Mode string
	// Out is standard error.
	Out io.Writer
	// Stdout is standard output, to which Podman's lines go; nil is Out.
	Stdout io.Writer
	// Terminal says that Out is one, Columns and Rows its size where it cannot be
	// asked.
	Terminal      bool
	Columns, Rows int
	Now           func() time.Time
	// Tags are the names of the result as given, for Podman's lines.
	Tags []string
	// Env looks a variable up; nil is os.Getenv. NO_COLOR, TERM, BUILDKIT_COLORS,
	// BUILDKIT_STEP_LOG_MAX_SIZE and BUILDKIT_STEP_LOG_MAX_SPEED have a meaning.
	Env func(string) string
}

// New makes the display for a mode.
func New(o Options) (Display, error) {
	o.complete()
	b := &board{now: o.Now, started: o.Now(), limit: limitsOf(o.Env)}
	mode := o.Mode
	if mode == "" || mode == Auto {
		mode = Plain
		if o.Terminal && o.Env("TERM") != "dumb" {
			mode = TTY
		}
	}
	every := time.Duration(0)
	switch mode {
	case Plain:
		b.front, every = &plain{b: b, w: o.Out}, time.Second
	case Steps:
		b.front, every = &steps{b: b, w: o.Stdout, err: o.Out, tags: o.Tags}, time.Second
	case TTY:
		b.front, every = newLive(b, o), redrawEvery
	case Quiet:
		b.front = &quiet{w: o.Out}
	case RawJSON:
		b.front = &raw{b: b, w: o.Out}
	default:
		return nil, fmt.Errorf("invalid progress mode %q: want auto, plain, steps, tty, quiet or rawjson", o.Mode)
	}
	b.run(every)
	return b, nil
}

func (o *Options) complete() {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Stdout == nil {
		o.Stdout = o.Out
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Env == nil {
		o.Env = os.Getenv
	}
}

// size is how many columns and rows there are now.
func (o *Options) size() (columns, rows int) {
	if f, ok := o.Out.(*os.File); ok {
		if c, r, err := term.GetSize(int(f.Fd())); err == nil && c > 0 && r > 0 {
			return c, r
		}
	}
	columns, rows = o.Columns, o.Rows
	if columns <= 0 {
		columns = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return columns, rows
}
