package registry

import (
	"errors"
	"fmt"
)

// Failed is an operation that could not be done with an image, and why, in the
// registry stack's words. Its text is one line.
type Failed struct {
	Verb, Image string
	Err         error
}

func (f *Failed) Error() string {
	_, why := Cause(f.Err)
	return fmt.Sprintf("cannot %s %q: %s", f.Verb, f.Image, why)
}

func (f *Failed) Unwrap() error { return f.Err }

// Told is an error whose text is shown as it is.
type Told struct{ Kind, Text string }

func (t *Told) Error() string { return t.Text }

// silent is an error that is there to be asked for and not to be read.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

// AsFailed gives the Failed in err's chain, or nil.
func AsFailed(err error) *Failed {
	var f *Failed
	errors.As(err, &f)
	return f
}
