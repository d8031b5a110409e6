package state

import (
	"errors"
	"fmt"
)

// Kinds of failure that callers ask for with errors.Is.
var (
	// ErrNotFound: there is no record of that name or id.
	ErrNotFound = errors.New("not found")
	// ErrExists: the name or id is taken.
	ErrExists = errors.New("already exists")
	// ErrAmbiguous: an id prefix fits more than one record.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrInvalid: a value or a hand-edited file does not make sense.
	ErrInvalid = errors.New("invalid")
	// ErrVersion: the file was written by a newer skiff.
	ErrVersion = errors.New("unsupported version")
	// ErrInUse: something still refers to the record.
	ErrInUse = errors.New("in use")
)

// KindError is an error of one of the kinds above whose text does not end with
// the kind's name: the text says it already.
type KindError struct {
	Text string
	Kind error
}

func (e *KindError) Error() string { return e.Text }

// Is makes errors.Is find the kind.
func (e *KindError) Is(target error) bool { return target == e.Kind }

// MissingError is an ErrNotFound that says what was looked for, for those who
// have words of their own for that.
type MissingError struct {
	Text string
	// Thing is "container", "network" or the like, Ref what it was looked for by.
	Thing, Ref string
}

func (e *MissingError) Error() string { return e.Text }

// Is makes errors.Is find the kind.
func (e *MissingError) Is(target error) bool { return target == ErrNotFound }

// Missing is what is not there.
func (e *MissingError) Missing() (thing, ref string) { return e.Thing, e.Ref }

// Errorf makes an error of a kind, with a text of its own.
func Errorf(kind error, format string, args ...any) error {
	return &KindError{fmt.Sprintf(format, args...), kind}
}
