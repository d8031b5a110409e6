// Package steps has programs run as RUN instructions run them, by the engine and
// an image tool that does nothing else, and kills either of the two.
//
// Not here: what a Dockerfile means (rootfs/build).
package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"skiff/libpod"
	"skiff/libpod/resolve"
	"skiff/libpod/settings"
	"skiff/libpod/stage"
	"skiff/rootfs/imagecall"
	"skiff/runtime/program"
	"skiff/runtime/sandbox"
	"skiff/state"
	"skiff/state/dirs"
)

// The test binary is also skiff, the image tool, and a command that builds: these
// variables say which.
const (
	toolEnv   = "SKIFF_STEPS_TOOL"
	driverEnv = "SKIFF_STEPS_DRIVER"
	insideEnv = "SKIFF_STEPS_INSIDE"
)

func TestMain(m *testing.M) {
	switch {
	case sandbox.IsInit():
		sandbox.Init()
	case len(os.Args) > 1 && os.Args[1] == libpod.InternalCommand:
		os.Exit(stage.Main(os.Args[2:]))
	case os.Getenv(toolEnv) != "":
		tool()
	case os.Getenv(driverEnv) != "":
		drive(os.Getenv(driverEnv))
	case os.Geteuid() == 0 && os.Getenv(insideEnv) == "":
		os.Exit(inside())
	}
	os.Exit(m.Run())
}

// inside runs the tests in a network and a mount namespace of their own.
func inside() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Unshareflags: syscall.CLONE_NEWNS}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// script is what the image tool is to have run.
type script struct {
	// Steps run one after the other, with Together all at once.
	Steps    []imagecall.Step
	Together bool
	// CancelAfter ends the steps when the file appears.
	CancelAfter string
}

// tool is the image tool: it has the steps run and reports the results.
func tool() {
	var req imagecall.Request
	if err := json.NewDecoder(os.NewFile(imagecall.RequestFD, "")).Decode(&req); err != nil {
		fmt.Fprintln(os.Stderr, "fake tool:", err)
		os.Exit(1)
	}
	var s script
	if err := json.Unmarshal([]byte(req.Build.Args["script"]), &s); err != nil {
		fmt.Fprintln(os.Stderr, "fake tool:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if s.CancelAfter != "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() { await(s.CancelAfter); cancel() }()
	}
	r := imagecall.NewRunner(imagecall.StepsFD)
	null, _ := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	results := make([]result, len(s.Steps))
	var group sync.WaitGroup
	for i, step := range s.Steps {
		group.Go(func() {
			res, err := r.Run(ctx, step, [3]*os.File{null, os.Stdout, os.Stderr})
			results[i].StepResult = res
			if err != nil {
				results[i].Failed = err.Error()
			}
		})
		if !s.Together {
			group.Wait()
		}
	}
	group.Wait()
	data, _ := json.Marshal(results)
	json.NewEncoder(os.NewFile(imagecall.ResultFD, "")).Encode(imagecall.Result{Version: imagecall.Version, Login: string(data)})
	os.Exit(0)
}

func await(path string) {
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// result is how a step ended, as the tool saw it.
type result struct {
	imagecall.StepResult
	Failed string // the error of Run
}

// order is what the command that builds is told.
type order struct {
	Roots    dirs.Roots
	Script   string
	Allow    []string
	Template *state.Config
	ShmSize  bool // that one is asked for
}

// drive is a command that builds: it prints the results to descriptor 3.
func drive(text string) {
	os.Unsetenv(driverEnv)
	var o order
	err := json.Unmarshal([]byte(text), &o)
	var e *libpod.Engine
	if err == nil {
		e, err = libpod.Open(libpod.Options{Roots: o.Roots}, settings.Settings{})
	}
	var res imagecall.Result
	if err == nil {
		e.Warn = func(line string) { fmt.Fprintln(os.Stderr, "warning:", line) }
		req := libpod.BuildRequest{
			Build: imagecall.Build{Args: map[string]string{"script": o.Script}}, Allow: o.Allow,
			Template: &libpod.CreateRequest{Config: o.Template, Explicit: resolve.Given{ShmSize: o.ShmSize}},
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		res, err = e.Build(ctx, req, libpod.Streams{Out: os.Stdout, Err: os.Stderr})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(125)
	}
	fmt.Fprint(os.NewFile(3, ""), res.Login)
	os.Exit(0)
}

// bench is one pair of roots with a root file system to run steps on.
type bench struct {
	t     *testing.T
	dir   string
	roots dirs.Roots
	// base is a layer with busybox.
	base string
	// template is what build's options say; nil for none.
	template *state.Config
	allow    []string
	steps    int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("/var/tmp", "skiff-steps-") // t.TempDir's names are too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, dir: dir, base: filepath.Join(dir, "base"), roots: dirs.Roots{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")}}
	t.Cleanup(func() {
		b.nothingLeft()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	b.makeBase()
	b.makeTool()
	return b
}

func (b *bench) makeBase() {
	b.t.Helper()
	bin := filepath.Join(b.base, "bin")
	b.must(os.MkdirAll(bin, 0o755))
	busybox, err := exec.LookPath("busybox")
	b.must(err)
	data, err := os.ReadFile(busybox)
	b.must(err)
	b.must(os.WriteFile(filepath.Join(bin, "busybox"), data, 0o755))
	for _, applet := range strings.Fields("sh cat echo env id ls mkdir rm sleep stat touch pwd hostname true kill mount head wc chmod chown test seq dd nslookup ip nc") {
		b.must(os.Symlink("busybox", filepath.Join(bin, applet)))
	}
	b.must(os.Mkdir(filepath.Join(b.base, "etc"), 0o751))
	b.must(os.WriteFile(filepath.Join(b.base, "etc/passwd"), []byte("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"), 0o644))
	b.must(os.WriteFile(filepath.Join(b.base, "etc/group"), []byte("root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n"), 0o644))
	old := time.Unix(1_000_000_000, 0)
	b.must(os.Chtimes(filepath.Join(b.base, "etc"), old, old))
}

// makeTool puts this program in the place of the image tool, at its size.
func (b *bench) makeTool() {
	b.t.Helper()
	path, err := program.Path(b.roots, program.ImageTool)
	b.must(err)
	st, err := os.Stat(path)
	b.must(err)
	exe, err := os.Executable()
	b.must(err)
	b.must(os.Remove(path))
	text := "#!/bin/sh\n" + toolEnv + "=1 exec " + exe + "\n"
	b.must(os.WriteFile(path, []byte(text), 0o755))
	b.must(os.Truncate(path, st.Size()))
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// step is one that runs a shell's command line on the base, with a new layer.
func (b *bench) step(line string) imagecall.Step {
	b.t.Helper()
	b.steps++
	dir := filepath.Join(b.dir, fmt.Sprintf("layer%d", b.steps))
	s := imagecall.Step{
		Lower: []string{b.base}, Upper: filepath.Join(dir, "upper"), Work: filepath.Join(dir, "work"),
		Args: []string{"/bin/sh", "-c", line}, Env: []string{"PATH=/bin"}, Cwd: "/",
	}
	b.must(os.MkdirAll(s.Upper, 0o755))
	b.must(os.MkdirAll(s.Work, 0o755))
	return s
}

// command is the one that builds.
func (b *bench) command(s script, out *bytes.Buffer) (cmd *exec.Cmd, results func() []result) {
	b.t.Helper()
	text, err := json.Marshal(s)
	b.must(err)
	o := order{Roots: b.roots, Template: b.template, ShmSize: b.template != nil && b.template.ShmSize > 0, Script: string(text), Allow: b.allow}
	data, err := json.Marshal(o)
	b.must(err)
	read, write, err := os.Pipe()
	b.must(err)
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), driverEnv+"="+string(data))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{write}
	cmd.WaitDelay = 3 * time.Second // a step whose monitor was killed keeps the output open
	return cmd, func() (list []result) {
		b.t.Helper()
		write.Close()
		defer read.Close()
		if err := json.NewDecoder(read).Decode(&list); err != nil {
			b.t.Fatalf("no results: %v; output: %s", err, out)
		}
		return list
	}
}

// run has steps run and gives their results and the output of all.
func (b *bench) run(steps ...imagecall.Step) ([]result, string) {
	b.t.Helper()
	return b.runScript(script{Steps: steps})
}

func (b *bench) runScript(s script) ([]result, string) {
	b.t.Helper()
	var out bytes.Buffer
	cmd, results := b.command(s, &out)
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("%v: %s", err, &out)
	}
	return results(), out.String()
}

// ok is run for one step that succeeds.
func (b *bench) ok(s imagecall.Step) string {
	b.t.Helper()
	res, out := b.run(s)
	if res[0].Code != 0 || res[0].Error != "" || res[0].Failed != "" {
		b.t.Fatalf("%q: got %+v, want success; output: %s", s.Args, res[0], out)
	}
	return out
}
