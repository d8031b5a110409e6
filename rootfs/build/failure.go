package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"skiff/rootfs/build/recipe"
)

// LocatedError is a failure with its place in the Dockerfile.
type LocatedError struct {
	// Title is the instruction; empty where the error says it itself.
	Title    string
	Location []parser.Range
	// Step is the instruction where Err names it itself; empty if it is unknown.
	Step string
	Err  error
	// State is the image of what was there before the instruction; empty without.
	State string

	name    string
	excerpt string
}

// Error is one line; Excerpt has the lines of the Dockerfile.
func (e *LocatedError) Error() string {
	var b strings.Builder
	if place := e.Place(); place != "" {
		b.WriteString(place + ": ")
	}
	if e.Title != "" {
		b.WriteString(e.Title + ": ")
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Place is the file and the line; empty if they are not known.
func (e *LocatedError) Place() string {
	if e.name == "" || len(e.Location) == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", e.name, e.Location[0].Start.Line)
}

func (e *LocatedError) Unwrap() error { return e.Err }

// Excerpt is the place in the Dockerfile with the lines around it.
func (e *LocatedError) Excerpt() string { return e.excerpt }

// failed makes the error of a step. What was there before it is kept as an image,
// for the user to look around in.
func (s *solver) failed(ctx context.Context, out *stageResult, step *recipe.Step, err error) error {
	var at *LocatedError
	if errors.As(err, &at) || ctx.Err() != nil {
		return err
	}
	located := &LocatedError{Title: step.Title, Location: step.Location, Err: err}
	var exit *ExitError
	if errors.As(err, &exit) {
		located.State = s.keep(ctx, out)
	}
	return located
}

// keep makes an image without a name of a stage as it is. It is a help only: a
// build that failed is not made worse by its failure.
func (s *solver) keep(ctx context.Context, out *stageResult) string {
	if len(out.layers) == 0 {
		if out.base == nil {
			return ""
		}
		return out.base.ID
	}
	kept := *out
	img, err := s.toStore(context.WithoutCancel(ctx), &kept, nil)
	if err != nil {
		return ""
	}
	return img.ID
}

// explain completes an error with the Dockerfile's name and lines.
func (b *Builder) explain(err error) error {
	var mistake *recipe.Error
	if errors.As(err, &mistake) {
		err = &LocatedError{Location: mistake.Location, Step: mistake.Step, Err: errors.New(mistake.Msg)}
	}
	var at *LocatedError
	if !errors.As(err, &at) {
		return err
	}
	at.name = b.inputs.dockerfileName
	at.excerpt = recipe.Excerpt(at.name, b.inputs.dockerfile, at.Location)
	return at
}

// shellWords shows an argument vector as BuildKit does.
func shellWords(args []string) string { return strings.Join(args, " ") }
