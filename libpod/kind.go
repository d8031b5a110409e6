package libpod

import "fmt"

// kindError is an error of one of state's kinds whose text does not end with
// the kind's name: the text says it already.
type kindError struct {
	text string
	kind error
}

func (e *kindError) Error() string { return e.text }

// Is makes errors.Is find the kind.
func (e *kindError) Is(target error) bool { return target == e.kind }

func kindf(kind error, format string, args ...any) error {
	return &kindError{fmt.Sprintf(format, args...), kind}
}
