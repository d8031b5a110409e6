package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/state/dirs"
)

// TestMain runs the tests in a mount namespace of their own, as builds do.
func TestMain(m *testing.M) {
	const inside = "SKIFF_TEST_IN_NAMESPACE"
	if os.Getuid() != 0 || os.Getenv(inside) != "" {
		if os.Getuid() == 0 {
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				fmt.Fprintln(os.Stderr, "cannot make the mounts private:", err)
				os.Exit(1)
			}
		}
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bench is a place to build in. Programs are not run: run does in their place
// what they are there for, on the layer that they would write to.
type bench struct {
	t     *testing.T
	roots dirs.Roots
	ctx   string // the build context
	out   string

	mu  sync.Mutex
	ran []string
	run func(step imagecall.Step) int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount layers")
	}
	dir := t.TempDir()
	b := &bench{t: t, roots: dirs.Roots{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")},
		ctx: filepath.Join(dir, "context"), out: filepath.Join(dir, "out")}
	for _, d := range []string{b.roots.Data, b.roots.Run, b.ctx} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.run = func(step imagecall.Step) int {
		name := strings.TrimPrefix(step.Args[len(step.Args)-1], "make ")
		if err := os.WriteFile(filepath.Join(step.Upper, name), []byte(name), 0o644); err != nil {
			t.Error(err)
		}
		return 0
	}
	return b
}

func (b *bench) Run(ctx context.Context, step imagecall.Step, _ [3]*os.File) (imagecall.StepResult, error) {
	b.mu.Lock()
	b.ran = append(b.ran, step.Args[len(step.Args)-1])
	b.mu.Unlock()
	return imagecall.StepResult{Code: b.run(step)}, nil
}

// write makes a file of the context.
func (b *bench) write(name, content string) {
	b.t.Helper()
	path := filepath.Join(b.ctx, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		b.t.Fatal(err)
	}
}

// build builds and gives the programs that were run, in order of their names.
func (b *bench) build(change func(*imagecall.Build)) ([]string, error) {
	b.t.Helper()
	b.ran = nil
	opt := &imagecall.Build{Context: b.ctx, Progress: "quiet", Outputs: []imagecall.Place{
		{Type: "local", Attrs: map[string]string{"dest": b.out}},
	}}
	if change != nil {
		change(opt)
	}
	if err := os.RemoveAll(b.out); err != nil {
		b.t.Fatal(err)
	}
	_, err := Build(context.Background(), Tools{
		Request: &imagecall.Request{Roots: b.roots, Build: opt}, Images: layer.Images{Roots: b.roots}, Runner: b,
		Open: func() (*registry.Session, error) { return nil, errors.New("the image store is not to be opened") },
	})
	slices.Sort(b.ran)
	return b.ran, err
}

func (b *bench) mustBuild(change func(*imagecall.Build)) []string {
	b.t.Helper()
	ran, err := b.build(change)
	if err != nil {
		b.t.Fatal(err)
	}
	return ran
}

// files are those of the result, with their content.
func (b *bench) files() string {
	b.t.Helper()
	var list []string
	err := filepath.WalkDir(b.out, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		rel, _ := filepath.Rel(b.out, path)
		list = append(list, rel+"="+string(content))
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: ran %q, want %q", what, got, want)
	}
}

const threeStages = `FROM scratch AS one
COPY a /a
RUN ["make 1"]
FROM scratch AS two
COPY b /b
RUN ["make 2"]
FROM scratch AS unused
RUN ["make never"]
FROM scratch
COPY --from=one /1 /a /
RUN ["make 3"]
COPY --from=two /2 /
`

func TestStepsAreDoneOnce(t *testing.T) {
	b := newBench(t)
	b.write("Dockerfile", threeStages)
	b.write("a", "A")
	b.write("b", "B")
	expect(t, "first build", b.mustBuild(nil), "make 1", "make 2", "make 3")
	if got, want := b.files(), "1=1 2=2 3=3 a=A"; got != want {
		t.Errorf("result: got %s, want %s", got, want)
	}
	expect(t, "same again", b.mustBuild(nil))
	if got, want := b.files(), "1=1 2=2 3=3 a=A"; got != want {
		t.Errorf("result from the cache: got %s, want %s", got, want)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(b.ctx, "a"), old, old); err != nil {
		t.Fatal(err)
	}
	expect(t, "another time of a file", b.mustBuild(nil))
	b.write("unrelated", "x")
	expect(t, "a file that nothing takes", b.mustBuild(nil))
	b.write("b", "B2")
	expect(t, "another b", b.mustBuild(nil), "make 2") // what is copied of stage two is as before
	b.write("a", "A2")
	expect(t, "another a", b.mustBuild(nil), "make 1", "make 3")
	if got, want := b.files(), "1=1 2=2 3=3 a=A2"; got != want {
		t.Errorf("result: got %s, want %s", got, want)
	}
	b.write("a", "A")
	expect(t, "the first a", b.mustBuild(nil))
}

func TestWithoutCache(t *testing.T) {
	b := newBench(t)
	b.write("Dockerfile", threeStages)
	b.write("a", "A")
	b.write("b", "B")
	b.mustBuild(nil)
	n := 0
	b.run = func(step imagecall.Step) int {
		n++
		name := strings.TrimPrefix(step.Args[0], "make ")
		if err := os.WriteFile(filepath.Join(step.Upper, name), fmt.Appendf(nil, "again%s", name), 0o644); err != nil {
			t.Error(err)
		}
		return 0
	}
	expect(t, "one stage anew", b.mustBuild(func(o *imagecall.Build) { o.NoCacheStages = []string{"one"} }), "make 1", "make 3")
	if got, want := b.files(), "1=again1 2=2 3=again3 a=A"; got != want {
		t.Errorf("result: got %s, want %s", got, want)
	}
	expect(t, "then with the cache", b.mustBuild(nil))
	if got, want := b.files(), "1=again1 2=2 3=again3 a=A"; got != want {
		t.Errorf("the newer result counts: got %s, want %s", got, want)
	}
	expect(t, "all anew", b.mustBuild(func(o *imagecall.Build) { o.NoCache = true }), "make 1", "make 2", "make 3")
}

// TestStagesRunAtOnce: each of two programs waits until the other runs.
func TestStagesRunAtOnce(t *testing.T) {
	b := newBench(t)
	b.write("Dockerfile", "FROM scratch AS x\nRUN [\"make x\"]\nFROM scratch AS y\nRUN [\"make y\"]\nFROM scratch\nCOPY --from=x /x /\nCOPY --from=y /y /\n")
	simple, met := b.run, make(chan bool, 2)
	arrived := make(chan struct{}, 2)
	b.run = func(step imagecall.Step) int {
		arrived <- struct{}{}
		for deadline := time.Now().Add(20 * time.Second); len(arrived) < 2 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		met <- len(arrived) == 2
		return simple(step)
	}
	b.mustBuild(nil)
	if !<-met || !<-met {
		t.Error("the stages were built one after the other")
	}
}

func TestFailuresLeaveNothing(t *testing.T) {
	b := newBench(t)
	b.write("Dockerfile", "FROM scratch\nCOPY a /\nRUN [\"make 1\"]\nRUN [\"make 2\"]\n")
	b.write("a", "A")
	simple := b.run
	b.run = func(step imagecall.Step) int {
		simple(step)
		if step.Args[0] == "make 2" {
			return 7
		}
		return 0
	}
	_, err := b.build(nil)
	var exit *ExitError
	var at *LocatedError
	if !errors.As(err, &exit) || exit.Code != 7 || !errors.As(err, &at) || at.Location[0].Start.Line != 4 {
		t.Fatalf("got %v, want exit status 7 of line 4", err)
	}
	if !strings.Contains(at.Excerpt(), ">>> RUN [\"make 2\"]") {
		t.Errorf("the excerpt does not show the line:\n%s", at.Excerpt())
	}
	if _, err := os.Stat(b.out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a result: %v", err)
	}
	if left, _ := os.ReadDir(b.roots.BuildWork()); len(left) > 0 {
		t.Errorf("left below %s: %v", b.roots.BuildWork(), left)
	}
	b.run = simple
	expect(t, "after the mistake is mended", b.mustBuild(nil), "make 2")
}

func TestLinkedCopyIsKnownByItself(t *testing.T) {
	b := newBench(t)
	b.write("Dockerfile", "FROM scratch\nARG X=1\nRUN [\"make 1\"]\nCOPY --link a /sub/\n")
	b.write("a", "A")
	b.mustBuild(nil)
	steps, err := os.ReadDir(b.roots.BuildSteps())
	if err != nil || len(steps) != 2 {
		t.Fatalf("steps: %v, %v; want two", steps, err)
	}
	expect(t, "another argument", b.mustBuild(func(o *imagecall.Build) { o.Args = map[string]string{"X": "2"} }), "make 1")
	if steps, err = os.ReadDir(b.roots.BuildSteps()); err != nil || len(steps) != 3 {
		t.Errorf("steps: %v, %v; want three: the copy is the same", steps, err)
	}
	if got, want := b.files(), "1=1 sub/a=A"; got != want {
		t.Errorf("result: got %s, want %s", got, want)
	}
}

func TestSquash(t *testing.T) {
	b := newBench(t)
	b.write("Dockerfile", "FROM scratch\nCOPY a b /d/\nRUN [\"make 1\"]\n")
	b.write("a", "A")
	b.write("b", "B")
	expect(t, "squashed", b.mustBuild(func(o *imagecall.Build) { o.SquashAll = true }), "make 1")
	if got, want := b.files(), "1=1 d/a=A d/b=B"; got != want {
		t.Errorf("result: got %s, want %s", got, want)
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"a source that is not there", "FROM scratch\nCOPY nothing /\n", `Dockerfile:2: COPY nothing /: "/nothing": not found`},
		{"a source that is ignored", "FROM scratch\nCOPY hidden /\n", "the ignore file leaves it out"},
		{"no instruction", "FROM scratch\nCOPI a /\n", "Dockerfile:2: unknown instruction: COPI"},
		{"an empty file", "\n", "is empty"},
		{"a stage that is not there", "FROM scratch\nCOPY --from=9 a /\n", "Dockerfile:2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.write("Dockerfile", tt.file)
			b.write(".dockerignore", "hidden\n")
			b.write("hidden", "x")
			_, err := b.build(nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %s", err, tt.want)
			}
		})
	}
}
