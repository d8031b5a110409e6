package cmd

import (
	"bytes"
	"testing"

	"skiff/libpod"
)

func readCommandLine() {
	var out bytes.Buffer
	app := &App{Out: &out, Err: &out, Name: "skiff", Engine: func() (*libpod.Engine, error) { return nil, errNoEngine }}
	run(app, []string{"skiff", "run", "-i", "--rm", "-p", "8080:80", "-e", "A=1", "busybox", "true"})
}

// BenchmarkRunCommandLine is what a command line costs before the engine is
// opened.
func BenchmarkRunCommandLine(b *testing.B) {
	for b.Loop() {
		readCommandLine()
	}
}

// TestCommandLineIsCheap: run has a hundred options, and what is done for each
// of them is paid for at every start. Letting urfave/cli see them all once cost
// six milliseconds and 40,000 allocations.
func TestCommandLineIsCheap(t *testing.T) {
	if n := testing.AllocsPerRun(5, readCommandLine); n > 2000 {
		t.Errorf("reading a command line makes %.0f allocations, want at most 2000", n)
	}
}
