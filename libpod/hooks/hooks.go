// Package hooks reads the files that say which programs of the host take part in
// containers' lives, and finds those for one container. See oci-hooks(5).
//
// Not here: when they run, which is the OCI runtime's and libpod/stage's.
package hooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"skiff/state"
)

// Stages of a container's life, as the OCI runtime specification calls them.
// Prestart is an older name of CreateRuntime.
const (
	Prestart        = "prestart"
	CreateRuntime   = "createRuntime"
	CreateContainer = "createContainer"
	StartContainer  = "startContainer"
	Poststart       = "poststart"
	Poststop        = "poststop"
	// Precreate is Podman's own: such a hook changes the specification.
	Precreate = "precreate"
)

// version is the only one of the files' format.
const version = "1.0.0"

// maxFile bounds a file in bytes, maxFiles how many of them are read.
const (
	maxFile  = 1 << 20
	maxFiles = 1000
)

// DefaultDirs are where hooks are where no directory is named, the most
// important last.
func DefaultDirs() []string {
	return []string{"/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"}
}

// Rule is one file: a program, the containers that it is for, and when it runs.
type Rule struct {
	// Path is the file's.
	Path   string     `json:"-"`
	Hook   state.Hook `json:"hook"`
	When   When       `json:"when"`
	Stages []string   `json:"stages"`

	Version string `json:"version"`
	when    conditions
}

// When are conditions, of which all that are given have to hold, and one must.
type When struct {
	Always *bool `json:"always"`
	// Annotations are regular expressions of names and values: for each, one of the
	// container's has to fit.
	Annotations map[string]string `json:"annotations"`
	// Commands are regular expressions, of which one has to fit the program.
	Commands      []string `json:"commands"`
	HasBindMounts *bool    `json:"hasBindMounts"`
}

// conditions are the expressions of When.
type conditions struct {
	annotations [][2]*regexp.Regexp
	commands    []*regexp.Regexp
}

// Container is what the conditions are about.
type Container struct {
	Annotations map[string]string
	// Program is the first word of what the container runs.
	Program string
	// BindMounts says that the user gave it files of the host.
	BindMounts bool
}

// Read gives the rules of the directories in the order in which they run: by the
// files' names. A file of a later directory takes the place of one that is called
// the same. A directory that is not there has none.
func Read(dirs []string) ([]Rule, error) {
	var paths []string
	for _, dir := range dirs {
		names, err := list(dir)
		if err != nil {
			return nil, fmt.Errorf("cannot read the hooks directory %q: %w", dir, err)
		}
		for _, name := range names {
			paths = slices.DeleteFunc(paths, func(p string) bool { return filepath.Base(p) == name })
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	slices.SortStableFunc(paths, func(a, b string) int {
		return strings.Compare(strings.ToLower(filepath.Base(a)), strings.ToLower(filepath.Base(b)))
	})
	var out []Rule
	for _, path := range paths {
		r, err := read(path)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot use the hook %q: %w", path, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// list gives the names of a directory's rules.
func list(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Unwrap(err)
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("there are more than %d files in it", maxFiles)
	}
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".json") }), nil
}

// errGone means that a file was removed since its directory was read.
var errGone = errors.New("the file is gone")

func read(path string) (r Rule, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return r, errGone
	}
	if err != nil {
		return r, errors.Unwrap(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("it is not valid JSON: %w", err)
	}
	r.Path = path
	return r, r.check()
}

// check refuses what makes no sense, and compiles the expressions.
func (r *Rule) check() (err error) {
	if r.Version != version {
		return fmt.Errorf("its version is %q: want %q", r.Version, version)
	}
	switch st, err := os.Stat(r.Hook.Path); {
	case !filepath.IsAbs(r.Hook.Path):
		return fmt.Errorf("the path of its program, %q, is not absolute", r.Hook.Path)
	case err != nil:
		return fmt.Errorf("there is no program %q", r.Hook.Path)
	case st.IsDir():
		return fmt.Errorf("%q is a directory, not a program", r.Hook.Path)
	case r.Hook.Timeout < 0:
		return fmt.Errorf("its timeout, %d seconds, is negative", r.Hook.Timeout)
	case r.Stages == nil:
		return errors.New("it has no stages")
	}
	for _, s := range r.Stages {
		switch s {
		case Prestart, CreateRuntime, CreateContainer, StartContainer, Poststart, Poststop, Precreate:
		default:
			return fmt.Errorf("the stage %q is not known", s)
		}
	}
	compile := func(s string) (re *regexp.Regexp) {
		var bad error
		if re, bad = regexp.Compile(s); bad != nil && err == nil {
			err = fmt.Errorf("%q is no regular expression", s)
		}
		return re
	}
	for name, value := range r.When.Annotations {
		r.when.annotations = append(r.when.annotations, [2]*regexp.Regexp{compile(name), compile(value)})
	}
	for _, c := range r.When.Commands {
		r.when.commands = append(r.when.commands, compile(c))
	}
	return err
}

// Matches says whether the rule is for a container.
func (r *Rule) Matches(c Container) bool {
	given := false
	for _, cond := range [...]struct {
		want  *bool
		holds bool
	}{{r.When.Always, true}, {r.When.HasBindMounts, c.BindMounts}} {
		if cond.want == nil {
			continue
		}
		if given = true; !*cond.want || !cond.holds {
			return false
		}
	}
	for _, a := range r.when.annotations {
		if given = true; !annotated(c.Annotations, a) {
			return false
		}
	}
	if len(r.when.commands) > 0 {
		return slices.ContainsFunc(r.when.commands, func(re *regexp.Regexp) bool { return re.MatchString(c.Program) })
	}
	return given
}

func annotated(have map[string]string, want [2]*regexp.Regexp) bool {
	for name, value := range have {
		if want[0].MatchString(name) && want[1].MatchString(value) {
			return true
		}
	}
	return false
}
