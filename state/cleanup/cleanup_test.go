package cleanup_test

import (
	"errors"
	"slices"
	"testing"

	"skiff/state/cleanup"
)

func steps(fail error) (undone []int, err error) {
	var s cleanup.Stack
	run := func() (err error) {
		defer s.UnlessDone(&err)
		for i := range 3 {
			s.Push(func() error { undone = append(undone, i); return nil })
		}
		return fail
	}
	err = run()
	return undone, err
}

func TestUndoRunsBackwardOnErrorOnly(t *testing.T) {
	broken := errors.New("broken")
	undone, err := steps(broken)
	if !slices.Equal(undone, []int{2, 1, 0}) || !errors.Is(err, broken) {
		t.Errorf("got %v, %v; want 2 1 0 and the error", undone, err)
	}
	if undone, err := steps(nil); undone != nil || err != nil {
		t.Errorf("after success: got %v, %v", undone, err)
	}
}
