package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"skiff/cmd/terminal"
	"skiff/libpod"
	"skiff/rootfs/imagecall"
)

func newBuild(app *App) *cli.Command {
	return &cli.Command{
		Name:      "build",
		Usage:     "Make an image from a Dockerfile",
		ArgsUsage: "[DIRECTORY|URL|-]",
		Description: `Makes an image from a Dockerfile and the files of a directory, of an archive or
of a git repository. What an earlier build has made of the same steps and files is
used again.

Examples:
skiff build -t app .
skiff build -t app -f docker/Dockerfile.dev --target test --build-arg VERSION=1.2 .
skiff build --platform linux/amd64,linux/arm64 --push -t registry.example.com/app .`,
		Flags:  buildFlags(app),
		Action: func(c *cli.Context) error { return buildImage(app, c) },
	}
}

// build is one run of the command.
type build struct {
	app *App
	c   *cli.Context
	req libpod.BuildRequest
	// input says that standard input belongs to the build.
	input bool
	// log is --logfile.
	log *os.File
	// temporary are files to remove at the end.
	temporary []string
}

func buildImage(app *App, c *cli.Context) error {
	b := &build{app: app, c: c}
	defer b.clean()
	e, err := app.Engine()
	if err != nil {
		return err
	}
	if err := b.request(e); err != nil {
		return err
	}
	if err := b.openLog(); err != nil {
		return err
	}
	res, err := b.run(e)
	if err == nil && len(res.Failures) > 0 {
		b.lastState(res)
		err = errors.Join(libpod.ToolErrors(res)...)
	}
	if err != nil {
		return b.failed(res, err)
	}
	return b.print(res)
}

// signalAgain is from when on a further signal is one that somebody sent anew.
const signalAgain = time.Second

// run builds. A signal that ends this command ends the build in order first, so
// that nothing is mounted, runs, or writes to the terminal afterwards; one more of
// its kind ends the command at once.
func (b *build) run(e *libpod.Engine) (imagecall.Result, error) {
	ctx, cancel := context.WithCancel(b.c.Context)
	defer cancel()
	ch := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(ch, sig)
		}
	}
	came := make(chan syscall.Signal, 1)
	go func() {
		sig := <-ch
		// The terminal's Ctrl-C may come twice: timeout(1) passes its own on.
		time.AfterFunc(signalAgain, func() { signal.Reset(sig) })
		came <- sig.(syscall.Signal)
		cancel()
	}()
	res, err := e.Build(ctx, b.req, b.streams())
	if ctx.Err() != nil {
		b.clean()
		terminal.Raise(<-came)
	}
	return res, err
}

// streams are the build's own. Standard input stays with the caller, whose script
// may come from there, unless it was given to the build.
func (b *build) streams() libpod.Streams {
	s := b.app.streams()
	if !b.input {
		s.In = nil
	}
	if b.log != nil {
		s.Out, s.Err = b.log, b.log
	}
	if b.req.Build.Progress == progressQuiet && !b.toStdout() {
		s.Out = nil
	}
	return s
}

func (b *build) openLog() (err error) {
	name := b.c.String("logfile")
	if name == "" {
		return nil
	}
	if b.log, err = os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("cannot write the log: %w", err)
	}
	return nil
}

func (b *build) clean() {
	if b.log != nil {
		b.log.Close()
	}
	for _, name := range b.temporary {
		os.Remove(name)
	}
}

// lastState tells where to look at what there was before the step that failed.
func (b *build) lastState(res imagecall.Result) {
	if b.c.Bool("quiet") {
		return
	}
	for _, f := range res.Failures {
		if f.State != "" {
			fmt.Fprintf(b.app.Err, "To look at the state before that step: %s run -it --rm %s\n", b.app.Name, f.State)
		}
	}
}

// failed gives an error the exit status and the words that the command's name
// stands for: Podman's status is that of the program that failed, Docker's is 1.
func (b *build) failed(res imagecall.Result, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if len(res.Failures) > 0 && res.Failures[0].Kind == imagecall.FailChecks {
		return exitWith(res.Failures[0].Code)
	}
	if len(res.Failures) == 0 {
		return err
	}
	f := res.Failures[len(res.Failures)-1]
	if b.app.Docker {
		text := err.Error()
		if f.Cause != "" {
			text = f.Cause
		}
		return &dockerError{msg: "ERROR: failed to solve: " + oneLine(text)}
	}
	if f.Step != "" {
		err = errors.New(stepFailed(f))
	}
	if f.Code != 0 {
		return withCode(f.Code, err)
	}
	return err
}

// stepFailed is the line that Podman ends a build with, and the place.
func stepFailed(f imagecall.Failure) string {
	cause := f.Cause
	if f.Code != 0 && f.Kind != imagecall.FailStart {
		cause = fmt.Sprintf("while running runtime: exit status %d", f.Code)
	}
	if f.Place != "" {
		cause += " (" + f.Place + ")"
	}
	if strings.HasPrefix(f.Step, "FROM ") {
		return "creating build container: " + cause
	}
	return fmt.Sprintf("building at STEP %q: %s", f.Step, cause)
}

// print tells what was built: Podman's id of the image, which Docker prints if it
// prints nothing else.
func (b *build) print(res imagecall.Result) error {
	if b.req.Build.Check || b.req.Build.Call != "" || len(res.Images) == 0 {
		return nil
	}
	last := res.Images[len(res.Images)-1]
	if file := b.c.String("iidfile"); file != "" {
		if err := os.WriteFile(file, []byte("sha256:"+last.ID), 0o644); err != nil {
			return fmt.Errorf("cannot write the image's id: %w", err)
		}
	}
	switch {
	case b.toStdout():
	case !b.app.Docker:
		fmt.Fprintln(b.app.Out, last.ID)
	case b.c.Bool("quiet"):
		fmt.Fprintln(b.app.Out, "sha256:"+last.ID)
	}
	return nil
}

// toStdout says that the result itself goes to standard output.
func (b *build) toStdout() bool {
	for _, o := range b.req.Build.Outputs {
		if o.Attrs["dest"] == "-" {
			return true
		}
	}
	return false
}
