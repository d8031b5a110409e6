package cmd

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/libpod/attach"
	"skiff/runtime/wire"
	"skiff/state"
)

var errNoEngine = errors.New("the engine was opened")

// runLine runs a command line without an engine.
func runLine(args ...string) (code int, out, errs string) { return runAs("skiff", args...) }

func runAs(name string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	app := &App{Out: &o, Err: &e, Name: name}
	app.Engine = func() (*libpod.Engine, error) { return nil, errNoEngine }
	code = run(app, append([]string{"skiff"}, args...))
	return code, o.String(), e.String()
}

func TestBadCommandLines(t *testing.T) {
	t.Chdir(t.TempDir())
	for line, want := range map[string]string{
		"rnu":                               "Error: unrecognized command `skiff rnu`, did you mean 'skiff run'?\n",
		"assemble -t x .":                   "Error: unrecognized command `skiff assemble`, try 'skiff --help'\n",
		"bad --log-level error":             "Error: unrecognized command `skiff bad`, try 'skiff --help'\n",
		"rnu --invalid":                     "Error: unrecognized command `skiff rnu`, did you mean 'skiff run'?\n",
		"container foo --bad":               "Error: unrecognized command `skiff container foo`, try 'skiff container --help'\n",
		"container foo":                     "Error: unrecognized command `skiff container foo`, try 'skiff container --help'\n",
		"run":                               "Error: the command requires at least 1 arg(s), only received 0\nSee 'skiff run --help'\n",
		"run --nope img":                    "Error: unknown flag: --nope\nSee 'skiff run --help'\n",
		"container run -h":                  "Error: flag needs an argument: 'h' in -h\nSee 'skiff container run --help'\n",
		"--nope run":                        "Error: unknown flag: --nope\nSee 'skiff --help'\n",
		"run -m 1q img":                     "Error: invalid value for --memory: invalid size \"1q\": want a number with an optional suffix b, k, m, g, t or p\n",
		"run --rm --restart always img":     "Error: the options --rm and --restart cannot be used together\n",
		"run --cpus 1 --cpu-quota 5000 img": "Error: --cpu-quota and --cpus cannot be set together\n",
		"run -p 80:80/xyz img":              "Error: cannot publish port \"80:80/xyz\": invalid protocol \"xyz\": want tcp, udp or sctp\n",
		"run -d -a stdout img":              "Error: the options --attach and --detach cannot be used together\nSee 'skiff run --help'\n",
		"run --replace img":                 "Error: cannot replace a container: --replace needs --name\n",
		"run --name a/b img":                "Error: invalid container name \"a/b\": only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed\n",
		"run --env-file nofile img":         "Error: cannot read \"nofile\": no such file or directory\n",
		"run --mount type=bind,src=/no/x,dst=/y img": "Error: invalid mount \"type=bind,src=/no/x,dst=/y\": the bind source path does not exist: stat /no/x: no such file or directory\n",
		"run --network none --network host i":        "Error: conflicting options: cannot attach both user-defined and non-user-defined network-modes\n",
		"run --blkio-weight 5 img":                   "Error: invalid value \"5\" for --blkio-weight: want a whole number from 10 to 1000\n",
		"run --oom-score-adj 1001 img":               "Error: invalid value \"1001\" for --oom-score-adj: want a whole number from -1000 to 1000\n",
		"run --cpuset-cpus 3-1 img":                  "Error: invalid value \"3-1\" for --cpuset-cpus: want numbers and ranges such as 0-2,7\n",
		"run --detach-keys ctrl-1 img":               "Error: invalid detach keys \"ctrl-1\": \"ctrl-1\" is neither one character nor ctrl- and one of a-z @ [ \\ ] ^ _\n",
		"run --health-cmd x --no-healthcheck img":    "Error: --no-healthcheck and --health-cmd cannot be set together\n",
		"kill -s FOO a":                              "Error: invalid signal: FOO\n",
		"stop -t x a":                                "Error: invalid argument \"x\" for \"-t\" flag: want a whole number\nSee 'skiff stop --help'\n",
		"exec":                                       "Error: exec requires the name or ID of a container\nSee 'skiff exec --help'\n",
		"exec a":                                     "Error: must provide a non-empty command to start an exec session\nSee 'skiff exec --help'\n",
		"exec -w rel a b":                            "Error: the working directory \"rel\" is invalid: it needs to be an absolute path\n",
		"rename a":                                   "Error: the command requires exactly 2 arg(s), received 1\nSee 'skiff rename --help'\n",
		"logs --tail x a":                            "Error: invalid value \"x\" for --tail: want a number of lines, or all\n",
		"logs --since x a":                           "Error: invalid time \"x\" for --since: want a date such as 2026-01-31T12:00:00, seconds since 1970, or a duration such as 10m\n",
		"wait --condition foo a":                     "Error: invalid value \"foo\" for --condition: want a container's state such as running, stopped or healthy\n",
		"start --all x":                              "Error: either start all containers or the container(s) provided in the arguments\n",
		"rm -t 3 a":                                  "Error: --force option must be specified to use the --time option\nSee 'skiff rm --help'\n",
	} {
		code, out, errs := runLine(strings.Fields(line)...)
		if code != 125 || errs != want || out != "" {
			t.Errorf("skiff %s: exit %d, stdout %q, stderr\n%s want\n%s", line, code, out, errs, want)
		}
	}
}

func TestAnotherMachineIsRefused(t *testing.T) {
	for _, c := range []struct{ line, name, value, want string }{
		{"--url ssh://far ps", "", "", "Error: cannot use --url: skiff works on this machine only\n"},
		{"ps", "CONTAINER_HOST", "ssh://far", "Error: cannot use CONTAINER_HOST=\"ssh://far\": skiff works on this machine only\n"},
		{"rm -af", "CONTAINER_CONNECTION", "far", "Error: cannot use CONTAINER_CONNECTION=\"far\": skiff works on this machine only\n"},
		{"ps", "CONTAINER_HOST", "unix:///run/podman/podman.sock", "Error: " + errNoEngine.Error() + "\n"},
		{"ps", "DOCKER_HOST", "ssh://far", "Error: " + errNoEngine.Error() + "\n"}, // not called docker
	} {
		t.Run(c.line+c.name+c.value, func(t *testing.T) {
			if c.name != "" {
				t.Setenv(c.name, c.value)
			}
			if code, _, errs := runLine(strings.Fields(c.line)...); code != 125 || errs != c.want {
				t.Errorf("exit %d, stderr %q, want %q", code, errs, c.want)
			}
			if _, out, _ := runLine("--help"); strings.Contains(out, "--remote") == (strings.Contains(c.want, "cannot use") && c.name != "") {
				t.Errorf("with %s=%s the help shows or hides --remote wrongly:\n%s", c.name, c.value, out)
			}
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, line := range []string{"", "--help", "help", "help run", "run --help", "container --help", "help container", "system connection --help", "help system connection ls", "container run --help", "help container rm"} {
		code, out, errs := runLine(strings.Fields(line)...)
		if code != 0 || errs != "" || !strings.Contains(out, "Usage:\n") {
			t.Errorf("skiff %s: exit %d, stderr %q, stdout %q; want help", line, code, errs, out)
		}
	}
	if code, _, errs := runLine("container"); code != 125 || !strings.HasSuffix(errs, "Error: missing command 'skiff container COMMAND'\n") {
		t.Errorf("a group alone: exit %d, stderr %q", code, errs)
	}
}

func TestOnlyTheInvokedCommandIsMade(t *testing.T) {
	made := 0
	c := command{name: "x", new: func(*App) *cli.Command {
		made++
		return &cli.Command{Action: func(*cli.Context) error { return nil }}
	}}
	var out bytes.Buffer
	if err := invoke(&App{Out: &out, Err: &out, Name: "skiff"}, &c, "x", []string{"a", "help"}); err != nil || made != 1 {
		t.Errorf("made %d commands, %v", made, err)
	}
}

// TestExitCodes is the table of exit.go from outside.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int
		text string
	}{
		{"success", nil, 0, ""},
		{"detached", attach.ErrDetached, 0, ""},
		{"a container's own", exitWith(7), 7, ""},
		{"a command that is not there", wire.Failure{Message: "no such file", Code: 127}, 127, "Error: no such file\n"},
		{"anything else", errors.New("a\nb\x1b"), 125, "Error: a b?\n"},
		{"several", errors.Join(errors.New("a"), errors.New("b")), 125, "Error: a\nError: b\n"},
		{"rm of what runs", removeStatus(errors.Join(state.ErrInUse)), 2, "Error: in use\n"},
		{"rm of what is not there", removeStatus(errors.Join(state.ErrNotFound)), 1, "Error: not found\n"},
		{"rm with another failure", removeStatus(errors.Join(state.ErrNotFound, errors.New("x"))), 125, "Error: not found\nError: x\n"},
	} {
		var errs bytes.Buffer
		app := &App{Err: &errs}
		report(app, c.err)
		if got := exitCode(c.err); got != c.want || errs.String() != c.text {
			t.Errorf("%s: exit %d, %q; want %d, %q", c.name, got, errs.String(), c.want, c.text)
		}
	}
}

func TestLogLevels(t *testing.T) {
	if code, _, errs := runLine("--log-level", "telepathic", "rm", "x"); code != 1 || !strings.Contains(errs, `Log Level "telepathic" is not supported`) {
		t.Errorf("an unknown level: exit %d, %q", code, errs)
	}
	for level, want := range map[string][3]bool{"trace": {true, true, true}, "debug": {true, true, false}, "info": {true, false, false}, "warn": {}, "error": {}} {
		_, _, errs := runLine("--log-level="+level, "rename", "x")
		got := [3]bool{strings.Contains(errs, " level=info "), strings.Contains(errs, " level=debug "), strings.Contains(errs, " level=trace ")}
		if got != want {
			t.Errorf("level %s shows info, debug, trace: %v; want %v", level, got, want)
		}
	}
}

func TestOutputToFile(t *testing.T) {
	path := t.TempDir() + "/out"
	code, out, _ := runLine("--out", path, "help")
	if code != 0 || out != "" {
		t.Errorf("exit %d, stdout %q; want nothing there", code, out)
	}
	if _, out, _ = runLine("--noout", "help"); out != "" {
		t.Errorf("--noout printed %q", out)
	}
}

// A script for Podman that asks for a command of a later Podman gets its words.
func TestUnknownCommandWithAnOptionAsPodman(t *testing.T) {
	for line, want := range map[string]string{
		"bad --invalid":       "Error: unknown flag: --invalid\nSee 'podman --help'\n",
		"container foo --bad": "Error: unknown flag: --bad\nSee 'podman container --help'\n",
		"rnu --invalid":       "Error: unrecognized command `podman rnu`, did you mean 'podman run'?\n",
	} {
		if code, _, errs := runAs("podman", strings.Fields(line)...); code != 125 || errs != want {
			t.Errorf("podman %s: exit %d, %q, want %q", line, code, errs, want)
		}
	}
}

func TestNameOfTheProgram(t *testing.T) {
	for name, want := range map[string]App{
		"/usr/bin/skiff": {Name: "skiff"}, "other": {Name: "skiff"},
		"/usr/bin/podman": {Name: "podman"}, "docker": {Name: "docker", Docker: true},
	} {
		app := &App{Name: "skiff"}
		app.calledAs([]string{name, "run"})
		if app.Name != want.Name || app.Docker != want.Docker {
			t.Errorf("called as %s it is %q, docker %v", name, app.Name, app.Docker)
		}
	}
}
