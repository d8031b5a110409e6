package deps

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Budgets of what runs in `skiff version` before main: memory that package
// initialisation allocates, which follows its time closely and does not depend
// on the machine. A bare Go program allocates about 10 kB in 40 steps.
const (
	maxInitBytes  = 200_000
	maxInitAllocs = 2_500
)

// TestStartBudget counts what the linked packages do at start.
func TestStartBudget(t *testing.T) {
	skiff := filepath.Join(repo(t), "bin/skiff")
	if _, err := os.Stat(skiff); err != nil {
		t.Skip("bin/skiff is not built: run make build")
	}
	cmd := exec.Command(skiff, "--root", t.TempDir(), "--runroot", t.TempDir(), "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatalf("skiff version: %v\n%s", err, trace.String())
	}
	// init NAME @T ms, T ms clock, N bytes, N allocs
	line := regexp.MustCompile(`(?m)^init (\S+) @.* clock, (\d+) bytes, (\d+) allocs`)
	var bytes, allocs int
	found := line.FindAllStringSubmatch(trace.String(), -1)
	for _, m := range found {
		b, _ := strconv.Atoi(m[2])
		n, _ := strconv.Atoi(m[3])
		bytes += b
		allocs += n
		if b > maxInitBytes/4 {
			t.Logf("%s allocates %d bytes at start", m[1], b)
		}
	}
	t.Logf("%d packages with initialisers: %d bytes in %d allocations", len(found), bytes, allocs)
	if len(found) == 0 {
		t.Fatal("the start printed no trace of initialisers")
	}
	if bytes > maxInitBytes || allocs > maxInitAllocs {
		t.Errorf("start-up: %d bytes in %d allocations; the budget is %d in %d\n%s",
			bytes, allocs, maxInitBytes, maxInitAllocs, trace.String())
	}
}
