package stage

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"

	"skiff/runtime/sandbox"
)

// chooseRuntime takes a runtime that is this very program for skiff's own, under
// whatever path it was given: `info` names the program as the runtime, and it is
// no other one.
func (s *starter) chooseRuntime() error {
	if s.cfg.Runtime != "" {
		path, err := exec.LookPath(s.cfg.Runtime)
		if err != nil {
			return fmt.Errorf("OCI runtime %q not found: %w", s.cfg.Runtime, lookup(err))
		}
		same, err := sameProgram(path, "/proc/self/exe")
		if err != nil {
			return fmt.Errorf("cannot use the OCI runtime %q: %w", s.cfg.Runtime, err)
		}
		if same {
			s.cfg.Runtime = ""
		}
	}
	if s.cfg.Runtime != "" && s.withoutCgroup() {
		return fmt.Errorf("cannot use --cgroups=disabled with the OCI runtime %q: only skiff's own can do without a cgroup", s.cfg.Runtime)
	}
	if flags := s.cfg.Extra().RuntimeFlags; s.cfg.Runtime == "" && len(flags) > 0 {
		return fmt.Errorf("OCI runtime error: skiff: %w %q: skiff's own runtime has no flags", sandbox.ErrRuntimeFlag, "--"+flags[0])
	}
	return nil
}

// lookup is the cause of an error of LookPath, which names the program again.
func lookup(err error) error {
	if e, ok := err.(*exec.Error); ok {
		return e.Err
	}
	return err
}

// sameProgram says whether two files are one, or are copies.
func sameProgram(a, b string) (bool, error) {
	one, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer one.Close()
	two, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer two.Close()
	first, err := one.Stat()
	if err != nil {
		return false, err
	}
	second, err := two.Stat()
	if err != nil {
		return false, err
	}
	if os.SameFile(first, second) {
		return true, nil
	}
	if first.Size() != second.Size() || !first.Mode().IsRegular() {
		return false, nil
	}
	return sameContent(one, two)
}

func sameContent(a, b io.Reader) (bool, error) {
	one, two := make([]byte, 1<<18), make([]byte, 1<<18)
	for {
		n, err := io.ReadFull(a, one)
		m, _ := io.ReadFull(b, two)
		if !bytes.Equal(one[:n], two[:m]) {
			return false, nil
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return true, nil
		default:
			return false, err
		}
	}
}
