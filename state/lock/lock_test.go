package lock_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"skiff/state/lock"
)

func TestTryFailsWhileTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, err := lock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Try(path); !errors.Is(err, lock.ErrBusy) {
		t.Fatalf("second taker: got %v, want ErrBusy", err)
	}
	a.Release()
	b, err := lock.Try(path)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	b.Release()
}

func TestTakeNoticesThatTheFileWasReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	old, err := lock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *lock.Lock)
	go func() {
		l, err := lock.Take(path)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	old.Release()
	l := <-got
	defer l.Release()
	if _, err := lock.Try(path); !errors.Is(err, lock.ErrBusy) {
		t.Errorf("the waiter holds the lock of a file that is gone: %v", err)
	}
}

func TestClaimIsSeenWithoutTakingIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alive")
	if lock.Held(path) {
		t.Fatal("a missing file is held")
	}
	c, err := lock.Claim(path)
	if err != nil {
		t.Fatal(err)
	}
	if !lock.Held(path) {
		t.Error("a claim is not seen")
	}
	if _, err := lock.Claim(path); !errors.Is(err, lock.ErrBusy) {
		t.Errorf("second claim: got %v, want ErrBusy", err)
	}
	c.Release()
	if lock.Held(path) {
		t.Error("a released claim is still seen")
	}
}
