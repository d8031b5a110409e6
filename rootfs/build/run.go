package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/mounts"
	"skiff/rootfs/build/recipe"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/vendordevice"
)

// ExitError is the exit status of a RUN's program.
type ExitError struct {
	Args      []string
	Code      int
	OOMKilled bool
}

func (e *ExitError) Error() string {
	text := fmt.Sprintf("process %q did not complete successfully: exit code: %d", shellWords(e.Args), e.Code)
	if e.OOMKilled {
		text += " (out of memory: the limit of --memory was reached)"
	}
	return text
}

// StartError is why a RUN's program was not run, Code the status that run would
// end with.
type StartError struct {
	Msg  string
	Code int
}

func (e *StartError) Error() string { return e.Msg }

// run prepares a RUN.
func (s *solver) run(ctx context.Context, out *stageResult, w *work) error {
	parts := []string{"run", out.key, string(w.step.Key()), s.opt.Network}
	if s.opt.Container != "" {
		parts = append(parts, s.opt.Container)
	}
	sources := mountSources{}
	for i, m := range w.step.Run.Mounts {
		if m.Type != instructions.MountTypeBind && (m.Type != instructions.MountTypeCache || m.From == "") {
			continue
		}
		from, err := s.from(ctx, w.step.Run.Origins[i])
		if err != nil {
			return err
		}
		path := cmp.Or(m.Source, "/")
		sources[m.From] = append(sources[m.From], mountSource{from, path})
		if m.Type == instructions.MountTypeBind {
			d, err := from.digest([]string{path})
			if err != nil {
				return err
			}
			parts = append(parts, m.Target, d)
		}
	}
	w.key = key(parts...)
	w.do = func(ctx context.Context, into *cache.Work, v vertical) error {
		return s.execute(ctx, w, into, v, sources)
	}
	return nil
}

// mountSources are what a step mounts, by the name after from=.
type mountSources map[string][]mountSource

type mountSource struct {
	*files
	path string
}

// layers gives the layers that hold the paths which are mounted from one place.
func (s *solver) layersOf(ctx context.Context, list []mountSource) ([]string, error) {
	if len(list) == 0 {
		return nil, errors.New("nothing is mounted from there")
	}
	if list[0].layers != nil {
		return list[0].layers, nil
	}
	var paths []string
	for _, m := range list {
		paths = append(paths, m.path)
	}
	return s.snapshot(ctx, list[0].files, paths)
}

// execute has the engine run the program.
func (s *solver) execute(ctx context.Context, w *work, into *cache.Work, v vertical, sources mountSources) error {
	run := w.step.Run
	list, vars, release, err := mounts.Resolve(ctx, run.Mounts, mounts.Provider{
		Roots: s.Request.Roots, Cwd: run.Cwd, Secrets: s.opt.Secrets, SSH: s.opt.SSH,
		Layers: func(from string) ([]string, error) { return s.layersOf(ctx, sources[from]) },
	})
	if err != nil {
		return err
	}
	step := imagecall.Step{
		Lower: w.below, Upper: into.Upper, Work: into.Work,
		Args: run.Args, Env: append(clip(run.Env), vars.Env...), EnvFile: vars.File, Cwd: run.Cwd, User: run.User,
		Network: run.Network, Insecure: run.Insecure, Mounts: list, Title: w.step.Title,
	}
	err = s.program(ctx, &step, w, v)
	var exit *ExitError
	if errors.As(err, &exit) {
		s.rememberShell(step, release)
	} else {
		release()
	}
	return err
}

// program completes the step with what is its own, and runs it.
func (s *solver) program(ctx context.Context, step *imagecall.Step, w *work, v vertical) error {
	run := w.step.Run
	scripts, err := hereDocuments(filepath.Dir(step.Upper), run)
	if err != nil {
		return err
	}
	step.Mounts = append(step.Mounts, scripts...)
	if step.Devices, err = s.devices(run.Devices, v.Stderr()); err != nil {
		return err
	}
	stdio, finish, err := outputs(v)
	if err != nil {
		return err
	}
	res, err := s.Runner.Run(ctx, *step, stdio)
	finish()
	w.used = res.Usage
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case res.Error != "":
		return &StartError{Msg: res.Error, Code: res.Code}
	case res.Code != 0:
		return &ExitError{Args: run.Args, Code: res.Code, OOMKilled: res.OOMKilled}
	}
	return nil
}

// devices are the names of the vendors' devices that a step asks for. What of them the
// machine lacks is left out, and told, unless the step requires it.
func (s *solver) devices(asked []*instructions.Device, notes io.Writer) ([]string, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	var wanted []vendordevice.Wanted
	for _, d := range asked {
		wanted = append(wanted, vendordevice.Wanted{Name: d.Name, Required: d.Required})
	}
	names, lacking, err := vendordevice.Find(s.Request.DeviceDirs, wanted)
	for _, d := range lacking {
		fmt.Fprintf(notes, "the step goes on without the device %q: no vendor describes it\n", d)
	}
	return names, err
}

// outputs are the descriptors of a program whose output the display shows. finish
// closes them and waits until all of it has been shown.
func outputs(v vertical) (stdio [3]*os.File, finish func(), err error) {
	var opened []*os.File
	fail := func(err error) ([3]*os.File, func(), error) {
		for _, f := range opened {
			f.Close()
		}
		return stdio, nil, fmt.Errorf("cannot make a pipe for the step's output: %w", err)
	}
	if stdio[0], err = os.Open(os.DevNull); err != nil {
		return fail(err)
	}
	opened = append(opened, stdio[0])
	var readers []*os.File
	for i := 1; i < len(stdio); i++ {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		opened = append(opened, r, w)
		stdio[i], readers = w, append(readers, r)
	}
	var copied sync.WaitGroup
	for i, to := range []io.Writer{v.Stdout(), v.Stderr()} {
		copied.Go(func() {
			defer readers[i].Close()
			io.Copy(to, readers[i])
		})
	}
	return stdio, func() {
		for _, f := range stdio {
			f.Close()
		}
		copied.Wait()
	}, nil
}

// hereDocuments writes those that are programs to files for the step to run.
func hereDocuments(dir string, run *recipe.Run) ([]imagecall.Mount, error) {
	var list []imagecall.Mount
	for i, f := range run.Files {
		path := filepath.Join(dir, "script-"+strconv.Itoa(i))
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
		if err == nil {
			_, err = file.WriteString(f.Data)
			err = errors.Join(err, file.Chmod(0o755), file.Close()) // whatever the umask
		}
		if err != nil {
			return nil, fmt.Errorf("cannot write a here-document: %w", err)
		}
		list = append(list, imagecall.Mount{Target: recipe.FilesDir + "/" + f.Name, Source: path, ReadOnly: true})
	}
	return list, nil
}
