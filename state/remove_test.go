package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/state"
	"skiff/state/jsonfile"
)

// hold keeps a directory from being removed until the test's end or the function
// is called.
func hold(t *testing.T, dir string) (free func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	done := false
	free = func() {
		if !done {
			done = true
			unix.Unmount(dir, unix.MNT_DETACH)
		}
	}
	t.Cleanup(free)
	return free
}

func TestAContainerWhoseFilesStayIsDead(t *testing.T) {
	s := newStore(t)
	cfg := create(t, s, id("a"), "web")
	c := s.Roots.Container(cfg.ID)
	if err := jsonfile.Write(c.Exit(), state.Status{BootID: s.BootID, Phase: state.Exited, ExitCode: 3}, jsonfile.Volatile); err != nil {
		t.Fatal(err)
	}
	free := hold(t, filepath.Join(c.Upper(), "kept"))
	if err := s.Remove(cfg); err == nil {
		t.Fatal("the removal succeeded although a file system is mounted in the container's files")
	}
	live, err := s.Status(cfg.ID)
	if err != nil || live.Phase != state.Dead || live.ExitCode != 3 || live.Error == "" || live.Lost {
		t.Fatalf("after the removal failed: got %+v, %v; want dead, with exit code 3 and a reason", live, err)
	}
	if got, err := s.Find("web"); err != nil || got != cfg.ID {
		t.Errorf("Find by name: got %q, %v", got, err)
	}
	free()
	if err := s.Remove(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.Data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory is still there: %v", err)
	}
}

func TestADeadContainersNameMayBeTaken(t *testing.T) {
	s := newStore(t)
	cfg := create(t, s, id("a"), "web")
	c := s.Roots.Container(cfg.ID)
	// its remover died after the first steps, and somebody else took the name
	if err := errors.Join(state.Leave(c), os.Remove(s.Roots.Name("web"))); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Leaving(cfg.ID); err != nil || got.Name != "web" {
		t.Errorf("Leaving: got %+v, %v", got, err)
	}
	if _, err := s.Find(cfg.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Find of one that is being removed: got %v, want ErrNotFound", err)
	}
	create(t, s, id("b"), "web")
	free := hold(t, filepath.Join(c.Upper(), "kept"))
	if err := s.Sweep(); err == nil {
		t.Fatal("the sweep succeeded although a file system is mounted in the container's files")
	}
	if got, _ := s.Find("web"); got != id("b") {
		t.Errorf("the name is of %q, want that of the other container", got)
	}
	if live, err := s.Status(cfg.ID); err != nil || live.Phase != state.Dead {
		t.Errorf("got %+v, %v; want dead", live, err)
	}
	if err := s.Sweep(); err != nil {
		t.Errorf("a dead container is not the sweep's: %v", err)
	}
	free()
	if err := s.Remove(cfg); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Find("web"); got != id("b") {
		t.Errorf("after the removal the name is of %q", got)
	}
}
