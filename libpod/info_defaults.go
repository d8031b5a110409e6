package libpod

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"skiff/libpod/resolve"
	"skiff/runtime/hostfacts"
	"skiff/runtime/spec"
	"skiff/state"
)

// defaultLogDriver is the log driver of a container that asks for none.
func (e *Engine) defaultLogDriver() string {
	if d := e.Settings.Containers.LogDriver; d != "" {
		return d
	}
	return state.LogJSONFile
}

// defaultCapabilities are those of a container that asks for none.
func (e *Engine) defaultCapabilities() []string {
	if caps := e.Settings.Containers.DefaultCapabilities; caps != nil {
		return caps
	}
	return spec.DefaultCapabilities()
}

// defaultCgroupManager is what new containers get.
func (e *Engine) defaultCgroupManager(host *hostfacts.Host) string {
	return resolve.CgroupManager(cmp.Or(e.Global.CgroupManager, e.Settings.Engine.CgroupManager), host, e.Rootless())
}

// runtimePath is the OCI runtime of new containers, empty for skiff's own: what
// --runtime says, a name as the first path that containers.conf has for it and
// that exists, else as it is, to be found in PATH.
func (e *Engine) runtimePath() string {
	name := e.defaultRuntime()
	for _, path := range e.Settings.Engine.Runtimes[name] {
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return path
		}
	}
	if !strings.Contains(name, "/") {
		return name
	}
	if abs, err := filepath.Abs(name); err == nil {
		return abs // a start has another working directory
	}
	return name
}

// ownRuntime is what info calls skiff's own runtime, and how one can ask for it.
const ownRuntime = "skiff"

// defaultRuntime is the path or name of the OCI runtime that the user asked
// for; empty for skiff's own. One of containers.conf that is not here is no reason
// to run nothing: that file may be the distribution's, for another engine. One of
// a file that the caller named has to be here.
func (e *Engine) defaultRuntime() string {
	if e.Global.Runtime == ownRuntime {
		return ""
	}
	if e.Global.Runtime != "" {
		return e.Global.Runtime
	}
	name := e.Settings.Engine.Runtime
	if name == "" || name == ownRuntime {
		return ""
	}
	here := func(path string) bool {
		_, err := exec.LookPath(path)
		return err == nil
	}
	if !e.Settings.Engine.RuntimeAsked && !here(name) && !slices.ContainsFunc(e.Settings.Engine.Runtimes[name], here) {
		e.warn(fmt.Sprintf("the OCI runtime %q of containers.conf is not here; skiff's own is used", name))
		return ""
	}
	return name
}
