package fault

import (
	"archive/tar"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stubborn does not end for SIGTERM.
const stubborn = `trap "" TERM; while :; do sleep 0.1; done`

// feature is something that is under way when a process is killed.
type feature struct {
	name string
	// before makes what the command works with, once for each kill.
	before []string
	// commands take turns; each is killed, or its monitor, within a time.
	commands [][]string
	within   time.Duration
	// after must succeed whatever was killed.
	after [][]string
}

func (b *bench) features() []feature {
	sleeper := []string{"busybox", "sleep", "1000"}
	run := func(args ...string) []string {
		return append(append([]string{"run", "-d", "--name", "box"}, args...), sleeper...)
	}
	checked := []string{"--health-cmd", "echo fine", "--health-interval", "5ms", "--health-timeout", "1s"}
	archive := b.archive()
	return []feature{
		{
			name: "a health check", before: run(append(checked, "-p", "8080:80")...),
			commands: [][]string{{"healthcheck", "run", "box"}, {"ps"}}, within: 100 * time.Millisecond,
			after: [][]string{{"inspect", "--format", "{{.State.Health.Status}}", "box"}},
		},
		{
			name: "an update of the health check", before: run(checked...),
			commands: [][]string{{"update", "--health-cmd", "sleep 1", "box"}, {"update", "--health-interval", "7ms", "box"}, {"update", "--no-healthcheck", "box"}},
			within:   60 * time.Millisecond, after: [][]string{{"start", "box"}},
		},
		{
			name: "a stop that waits", before: []string{"run", "-d", "--name", "box", "-p", "8080:80", "busybox", "sh", "-c", stubborn},
			commands: [][]string{{"stop", "-t", "1", "box"}, {"restart", "-t", "1", "box"}}, within: 300 * time.Millisecond,
			after: [][]string{{"stop", "-t", "0", "box"}, {"start", "box"}},
		},
		{
			name: "an update of the ports", before: run("-p", "8080:80"),
			commands: [][]string{{"update", "--publish", "8081:81", "box"}, {"update", "--publish", "8082:82/udp", "--publish-rm", "8080", "box"}},
			within:   80 * time.Millisecond, after: [][]string{{"port", "box"}, {"restart", "-t", "0", "box"}},
		},
		{
			name: "hooks", commands: [][]string{run("--hooks-dir", b.hooks(), "-p", "8080:80")}, within: 250 * time.Millisecond,
		},
		{
			name:     "an image mounted for writing",
			commands: [][]string{run("--mount", "type=image,source=busybox,destination=/image,rw=true")}, within: 200 * time.Millisecond,
		},
		{
			name: "an import into a volume", before: []string{"volume", "create", "kept"},
			commands: [][]string{{"volume", "import", "kept", archive}}, within: 60 * time.Millisecond,
			after: [][]string{{"volume", "import", "kept", archive}, {"run", "--rm", "-v", "kept:/v", "busybox", "test", "-s", "/v/last"}, {"volume", "rm", "kept"}},
		},
		{
			name: "a backup of a volume that is written to", before: []string{"run", "-d", "--name", "box", "-v", "kept:/v", "busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/v/n; done"},
			commands: [][]string{{"volume", "backup", "kept", archive + ".backup"}}, within: 80 * time.Millisecond,
			// A container that is left paused cannot be started, nor paused for the next one.
			after: [][]string{
				{"start", "box"}, {"pause", "box"}, {"unpause", "box"}, {"volume", "backup", "kept", archive + ".backup"}, {"volume", "rm", "-f", "kept"},
				{"volume", "restore", "kept", archive + ".backup"}, {"run", "--rm", "-v", "kept:/v", "busybox", "test", "-e", "/v/n"}, {"volume", "rm", "kept"},
			},
		},
		{
			name: "the end of the time that it may take", before: run("--timeout", "1", "-p", "8080:80"),
			commands: [][]string{{"wait", "box"}}, within: 1200 * time.Millisecond,
		},
		{
			name:   "restarts",
			before: []string{"run", "-d", "--name", "box", "--restart", "always", "-p", "8080:80", "busybox", "false"},
			// The back-off is under way for most of the time.
			commands: [][]string{{"ps", "-a"}, {"stop", "box"}, {"update", "--restart", "no", "box"}}, within: 800 * time.Millisecond,
			after: [][]string{{"stop", "box"}},
		},
	}
}

// archive is one to be imported: many files, of which "last" comes last.
func (b *bench) archive() string {
	b.t.Helper()
	path := filepath.Join(b.top, "import.tar")
	f, err := os.Create(path)
	if err != nil {
		b.t.Fatal(err)
	}
	w := tar.NewWriter(f)
	text := strings.Repeat("text ", 2000)
	for i := range 500 {
		name := "file" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		if i == 499 {
			name = "last"
		}
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
		w.Write([]byte(text))
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// hooks is a directory with hooks that take their time, at the begin of a
// container's life and at its end.
func (b *bench) hooks() string {
	b.t.Helper()
	dir := filepath.Join(b.top, "hooks")
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	hook := `{"version":"1.0.0","hook":{"path":"/bin/sh","args":["sh","-c","cat >/dev/null; sleep 0.05"]},` +
		`"when":{"always":true},"stages":["prestart","createRuntime","poststart","poststop"]}`
	if err := os.WriteFile(filepath.Join(dir, "slow.json"), []byte(hook), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return dir
}

// TestKilledFeatures: whatever is under way when a process is killed, the next
// commands tell the truth and work, and nothing is left.
func TestKilledFeatures(t *testing.T) {
	b := newBench(t)
	for _, f := range b.features() {
		seed := uint64(time.Now().UnixNano())
		t.Logf("%s: seed %d", f.name, seed)
		random := rand.New(rand.NewPCG(seed, 0))
		for i := range max(times(t)/3, len(f.commands)) {
			b.killFeature(f, f.commands[i%len(f.commands)], random)
			if t.Failed() {
				t.Fatalf("with %s under way, kill %d of seed %d", f.name, i+1, seed)
			}
		}
	}
}

func (b *bench) killFeature(f feature, command []string, random *rand.Rand) {
	b.t.Helper()
	if f.before != nil {
		b.ok(f.before...)
	}
	who := func(b *bench, p *os.Process) []int { return append(b.monitors(), p.Pid) }
	if random.IntN(3) == 0 {
		who = func(b *bench, p *os.Process) []int { return append(append(b.monitors(), b.stages()...), p.Pid) }
	}
	b.killDuring(command, time.Duration(random.Int64N(int64(f.within))), who, random.IntN(4) == 0, random)
	b.truth()
	b.ok("events", "--stream=false", "--format", "json")
	if b.ok("ps", "-aq") != "" || f.before != nil && f.before[0] == "volume" {
		for _, args := range f.after {
			b.ok(args...)
		}
	}
	b.nothingLeft()
}
