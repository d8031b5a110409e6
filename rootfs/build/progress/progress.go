// Package progress shows a build to a person (plain lines or a live display), or
// to a program (rawjson), while it goes on.
//
// Not here: what the build does.
package progress

import (
	"io"
	"time"
)

// Display is told what happens. Its methods may be called from several
// goroutines.
type Display interface {
	// Begin announces a vertex, one line of the display: a step, a pull, an export.
	Begin(v Vertex) Vertical
	// Warn shows a line that belongs to no vertex.
	Warn(line string)
	// Close ends the display: of a live one the last state stays on the screen. err
	// is how the build ended.
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
}

// Vertical is one vertex under way. Exactly one of Done, Cached and Fail ends it.
type Vertical interface {
	// Output are for what the step's program prints. They may be written to until
	// the vertex ends.
	Stdout() io.Writer
	Stderr() io.Writer
	// Status reports how far a part of the vertex is, such as a layer of a pull;
	// total 0 is unknown.
	Status(name string, current, total int64)
	Done()
	Cached()
	Fail(err error)
}

// Options say how to show a build.
type Options struct {
	// Mode is auto, plain, tty, quiet or rawjson.
	Mode string
	// Out is standard error.
	Out io.Writer
	// Terminal says that Out is one, Columns and Rows its size.
	Terminal bool
	Now      func() time.Time
}
