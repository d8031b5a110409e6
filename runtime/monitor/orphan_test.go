package monitor_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A service manager waits only for its own children.
func TestOrphanedMonitorIsNoChildOfTheEngine(t *testing.T) {
	b := newBox(t, fake{Script: "read line; exit 4"})
	b.launch.OpenStdin, b.launch.Attach = true, everything
	b.orphan = true
	s := b.start()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Status().Monitor))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	if parent := strings.Fields(after)[1]; parent == fmt.Sprint(os.Getpid()) {
		t.Error("the monitor is a child of the process that started it")
	}
	if err := s.WriteStdin([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	if st, _, _ := b.run(s); st.ExitCode != 4 {
		t.Errorf("the container ended with %d, want 4", st.ExitCode)
	}
}
