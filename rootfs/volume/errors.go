package volume

import (
	"fmt"

	"skiff/state"
)

// kindError is an error of one of state's kinds whose text says so itself.
type kindError struct {
	text string
	kind error
}

func (e *kindError) Error() string { return e.text }

// Is makes errors.Is find the kind.
func (e *kindError) Is(target error) bool { return target == e.kind }

func notFound(name string) error {
	return &state.MissingError{Text: fmt.Sprintf("no volume with name %q found: no such volume", name), Thing: "volume", Ref: name}
}

func invalid(format string, args ...any) error {
	return &kindError{fmt.Sprintf(format, args...), state.ErrInvalid}
}
