package libpod

import (
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

// defaultCgroupManager is what the command line says, then containers.conf.
func (e *Engine) defaultCgroupManager() string {
	switch {
	case e.Global.CgroupManager != "":
		return e.Global.CgroupManager
	case e.Settings.Engine.CgroupManager != "":
		return e.Settings.Engine.CgroupManager
	}
	return "cgroupfs"
}

// defaultRuntime is the path or name of the OCI runtime that the user asked
// for; empty for skiff's own.
func (e *Engine) defaultRuntime() string {
	if e.Global.Runtime != "" {
		return e.Global.Runtime
	}
	return e.Settings.Engine.Runtime
}
