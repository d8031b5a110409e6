package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"skiff/runtime/spec"
)

// foreign is a sandbox that another OCI runtime makes. Its directory of state
// is the bundle; the runtime keeps its own state below it. The fields are
// stored there as foreign.json.
type foreign struct {
	// Path is the runtime's program.
	Path string `json:"path"`
	// Flags are options for it, without the dashes.
	Flags   []string `json:"flags,omitempty"`
	Systemd bool     `json:"systemd,omitempty"`
	Pid     int      `json:"pid"`
	Start   uint64   `json:"start"`
	// Paths are the cgroups' directories by controller, as libcontainer has them.
	Paths map[string]string `json:"paths"`

	id, dir string
}

func (f *foreign) file(name string) string { return filepath.Join(f.dir, name) }

// command runs the runtime: global options, a verb and its arguments.
func (f *foreign) command(args ...string) *exec.Cmd {
	var global []string
	for _, flag := range f.Flags {
		global = append(global, "--"+flag)
	}
	global = append(global, "--root", f.file("runtime"), "--log", f.file("log"), "--log-format", "json")
	if f.Systemd {
		global = append(global, "--systemd-cgroup")
	}
	return exec.Command(f.Path, append(global, args...)...)
}

// run runs it and gives what it logs if it fails. Its standard error is not
// read: create and exec leave it to the container, and a pipe would stay open
// as long as that.
func (f *foreign) run(cmd *exec.Cmd) error {
	os.Remove(f.file("log"))
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if text := f.lastLog(); text != "" {
		return fmt.Errorf("%s: %s", filepath.Base(f.Path), text)
	}
	return fmt.Errorf("%s: %w", filepath.Base(f.Path), err)
}

// lastLog is the last error that the runtime logged.
func (f *foreign) lastLog() string {
	file, err := os.Open(f.file("log"))
	if err != nil {
		return ""
	}
	defer file.Close()
	last := ""
	for dec := json.NewDecoder(io.LimitReader(file, 1<<20)); ; {
		var entry struct{ Level, Msg string }
		if dec.Decode(&entry) != nil {
			return last
		}
		if entry.Level == "error" || entry.Level == "fatal" {
			last = entry.Msg
		}
	}
}

// checkFlags asks the runtime whether it knows its options. With one that it does
// not know it would log nothing anywhere.
func (f *foreign) checkFlags() error {
	if len(f.Flags) == 0 {
		return nil
	}
	cmd := exec.Command(f.Path)
	for _, flag := range f.Flags {
		cmd.Args = append(cmd.Args, "--"+flag)
	}
	cmd.Args = append(cmd.Args, "--version")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		reason, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("OCI runtime error: %s: %w among %q: %s", filepath.Base(f.Path), ErrRuntimeFlag, cmd.Args[1:len(cmd.Args)-1], cmp.Or(reason, err.Error()))
	}
	return nil
}

// createForeign is Create for Options.Runtime.
func createForeign(o Options) (_ *Sandbox, err error) {
	f := &foreign{Path: o.Runtime, Flags: o.RuntimeFlags, Systemd: o.SystemdCgroup, id: o.ID, dir: filepath.Join(o.StateRoot, o.ID)}
	if err := f.checkFlags(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.StateRoot, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the container: %w", err)
	}
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the container: %w", err)
	}
	s := &Sandbox{id: o.ID, stateRoot: o.StateRoot, foreign: f}
	defer func() {
		if err != nil {
			err = explainForeign(err, o.Spec.Process.Args[0])
			_ = f.run(f.command("delete", "--force", o.ID)) // what is there to delete is not known
			os.RemoveAll(f.dir)
		}
	}()
	if err := f.writeJSON("config.json", bundle(o)); err != nil {
		return nil, err
	}
	cmd := f.command("create", "--bundle", f.dir, "--pid-file", f.file("pid"))
	if n := len(o.ExtraFiles); n > 0 {
		cmd.ExtraFiles = o.ExtraFiles
		cmd.Args = append(cmd.Args, "--preserve-fds", strconv.Itoa(n))
	}
	files(cmd, o.Stdin, o.Stdout, o.Stderr)
	if f.Pid, err = f.launch(cmd, o.ConsoleSocket, "pid", o.ID); err != nil {
		return nil, err
	}
	if f.Start, err = startTime(f.Pid); err != nil {
		return nil, err
	}
	if f.Paths, err = cgroupsOf(f.Pid, o.ID); err != nil {
		return nil, err
	}
	s.adopt()
	return s, f.writeJSON("foreign.json", f)
}

// bundleVersion is the version of the specification that other runtimes are told
// of. Some refuse newer ones than they know (crun 1.8, which Debian 12 has), and
// what they do not know of later versions they are to ignore (OCI runtime
// specification, config, "Extensibility").
const bundleVersion = "1.0.2"

// bundle is the specification with the terminal's size.
func bundle(o Options) *specs.Spec {
	sp, p := *o.Spec, *o.Spec.Process
	p.Terminal = o.ConsoleSocket != nil
	if o.Rows != 0 && o.Cols != 0 {
		p.ConsoleSize = &specs.Box{Height: uint(o.Rows), Width: uint(o.Cols)}
	}
	sp.Process, sp.Version = &p, bundleVersion
	return &sp
}

// files sets the standard streams; with none given they are /dev/null.
func files(cmd *exec.Cmd, stdin, stdout, stderr *os.File) {
	if stdin != nil {
		cmd.Stdin = stdin
	}
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if stderr != nil {
		cmd.Stderr = stderr
	}
}

// launch runs create or exec and gives the pid that it wrote to the pid file.
// The process becomes a child of this one, which therefore adopts orphans.
func (f *foreign) launch(cmd *exec.Cmd, console *os.File, pidFile, id string) (int, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	if console != nil {
		relay, err := listenForConsole(f.dir, console)
		if err != nil {
			return 0, err
		}
		defer relay.close()
		cmd.Args = append(cmd.Args, "--console-socket", relay.path)
	}
	cmd.Args = append(cmd.Args, id)
	if err := f.run(cmd); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(f.file(pidFile))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func (f *foreign) writeJSON(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := f.file(name + ".tmp")
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, f.file(name))
}

// loadForeign finds a sandbox of another runtime; nil if it is none.
func loadForeign(stateRoot, id string) (*Sandbox, error) {
	f := &foreign{id: id, dir: filepath.Join(stateRoot, id)}
	data, err := os.ReadFile(f.file("foreign.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, f)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the state of container %s: %w", id, err)
	}
	s := &Sandbox{id: id, stateRoot: stateRoot, foreign: f}
	s.adopt()
	return s, nil
}

// adopt takes over what foreign knows.
func (s *Sandbox) adopt() {
	s.pid, s.start = s.foreign.Pid, s.foreign.Start
	s.process, _ = os.FindProcess(s.pid) // never fails on Linux
}

// manager reads the runtime's cgroups.
func (f *foreign) manager() (cgroups.Manager, error) {
	if len(f.Paths) == 0 {
		return nil, errors.New("it has no cgroups of its own")
	}
	return manager.NewWithPaths(&cgroups.Cgroup{Resources: &cgroups.Resources{}}, f.Paths)
}

// cgroupsOf finds the cgroups that the process is in and that are named after
// the container. Others are not the container's: on no account may everything
// in them be ended with it.
func cgroupsOf(pid int, id string) (map[string]string, error) {
	groups, err := cgroups.ParseCgroupFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for controller, path := range groups {
		if !strings.Contains(filepath.Base(path), id) {
			continue
		}
		if cgroups.IsCgroup2UnifiedMode() {
			out[""] = filepath.Join("/sys/fs/cgroup", path)
			break
		}
		if mount, err := cgroups.FindCgroupMountpoint("", controller); err == nil {
			out[controller] = filepath.Join(mount, path)
		}
	}
	return out, nil
}

// exec is Sandbox.Exec for another runtime.
func (f *foreign) exec(o ExecOptions) (*Process, error) {
	data, err := os.ReadFile(f.file("config.json"))
	if err != nil {
		return nil, err
	}
	var sp specs.Spec
	if err := json.Unmarshal(data, &sp); err != nil {
		return nil, err
	}
	name := "exec-" + strconv.Itoa(os.Getpid())
	defer os.Remove(f.file(name))
	defer os.Remove(f.file(name + ".pid"))
	if err := f.writeJSON(name, f.execProcess(*sp.Process, o)); err != nil {
		return nil, err
	}
	cmd := f.command("exec", "--detach", "--process", f.file(name), "--pid-file", f.file(name+".pid"))
	if n := len(o.ExtraFiles); n > 0 {
		cmd.ExtraFiles = o.ExtraFiles
		cmd.Args = append(cmd.Args, "--preserve-fds", strconv.Itoa(n))
	}
	files(cmd, o.Stdin, o.Stdout, o.Stderr)
	pid, err := f.launch(cmd, o.ConsoleSocket, name+".pid", f.id)
	if err != nil {
		return nil, explainForeign(err, o.Args[0])
	}
	p := &Process{pid: pid}
	p.start, _ = startTime(pid) // it may have ended, and still waits to be reaped
	p.process, err = os.FindProcess(pid)
	return p, err
}

// execProcess is the first process with what the options replace.
func (f *foreign) execProcess(p specs.Process, o ExecOptions) specs.Process {
	p.Args, p.Env, p.Cwd = o.Args, o.Env, o.Cwd
	if p.Cwd == "" {
		p.Cwd = "/"
	}
	p.User = specUser(o.User)
	p.Terminal, p.ConsoleSize = o.ConsoleSocket != nil, nil
	if o.Rows != 0 && o.Cols != 0 {
		p.ConsoleSize = &specs.Box{Height: uint(o.Rows), Width: uint(o.Cols)}
	}
	if o.Capabilities != nil {
		p.Capabilities = &specs.LinuxCapabilities{Bounding: o.Capabilities, Effective: o.Capabilities, Permitted: o.Capabilities}
	}
	if o.NoNewPrivileges != nil {
		p.NoNewPrivileges = *o.NoNewPrivileges
	}
	return p
}

func specUser(u spec.User) specs.User {
	return specs.User{UID: u.UID, GID: u.GID, AdditionalGids: u.Groups}
}

// destroy removes what the runtime has of an ended container.
func (f *foreign) destroy() error {
	if _, err := os.Stat(f.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := f.run(f.command("delete", "--force", f.id)); err != nil {
		return err
	}
	return os.RemoveAll(f.dir)
}

// update changes limits.
func (f *foreign) update(r *specs.LinuxResources) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	cmd := f.command("update", "--resources", "-", f.id)
	cmd.Stdin = bytes.NewReader(data)
	if err := f.run(cmd); err != nil {
		return fmt.Errorf("cannot update the container: %w", err)
	}
	return nil
}
