package libpod

import (
	"cmp"

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

// defaultRuntime is the path or name of the OCI runtime that the user asked
// for; empty for skiff's own.
func (e *Engine) defaultRuntime() string {
	if e.Global.Runtime != "" {
		return e.Global.Runtime
	}
	return e.Settings.Engine.Runtime
}
