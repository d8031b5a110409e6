// Package cleanup undoes what a sequence of steps did, backward, when a later
// step fails.
package cleanup

import "errors"

// Stack holds the reverse of each step that was done, in order.
type Stack struct{ undo []func() error }

// Push adds the reverse of a step that has just been done.
func (s *Stack) Push(undo func() error) { s.undo = append(s.undo, undo) }

// UnlessDone runs all reverses, last one first, if *err is an error, and joins
// what they report to it. Deferred by the function that does the steps.
func (s *Stack) UnlessDone(err *error) {
	if *err == nil {
		return
	}
	for i := len(s.undo) - 1; i >= 0; i-- {
		if uerr := s.undo[i](); uerr != nil {
			*err = errors.Join(*err, uerr)
		}
	}
	s.undo = nil
}
