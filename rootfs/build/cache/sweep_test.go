package cache

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"skiff/state/dirs"
)

// Each Open sweeps what dead processes left while the others make theirs.
func TestASweepLeavesWhatOthersBegin(t *testing.T) {
	roots := dirs.Roots{Data: t.TempDir()}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 40 {
				c, err := Open(roots)
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				if w, err := c.Begin(); err != nil {
					t.Errorf("begin: got %v, want room for a step", err)
				} else {
					w.Discard()
				}
				c.Close()
			}
		})
	}
	group.Wait()
}

func TestASweepRemovesWhatTheDeadLeft(t *testing.T) {
	roots := dirs.Roots{Data: t.TempDir()}
	old := filepath.Join(roots.BuildWork(), "old")
	young := filepath.Join(roots.BuildWork(), "young")
	for _, dir := range []string{filepath.Join(old, "1"), young} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * beingMade)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	sweepWork(roots)
	if left, _ := filepath.Glob(old + "*"); len(left) > 0 {
		t.Errorf("of one without a lock for long: got %q, want nothing", left)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("one that may be about to be locked: got %v, want it there", err)
	}
}
