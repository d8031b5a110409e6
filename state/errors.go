package state

import "errors"

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
