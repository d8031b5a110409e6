package resolve

import (
	"slices"
	"testing"

	"skiff/state"
)

func TestRuntimeFlags(t *testing.T) {
	conf := map[string][]string{"skiff": {"own"}, "crun": {"debug"}}
	for _, c := range []struct {
		name, runtime string
		flags, want   []string
	}{
		{"skiff's own runtime", "", nil, []string{"own"}},
		{"a path, by its last part", "/usr/bin/crun", []string{"log-format=text"}, []string{"debug", "log-format=text"}},
		{"a runtime that containers.conf does not know", "runc", nil, nil},
	} {
		in := testInput()
		in.Runtime, in.RuntimeFlags, in.Defaults.Engine.RuntimesFlags = c.runtime, c.flags, conf
		got, err := Complete(&state.Config{Process: state.Process{Cmd: []string{"true"}}}, nil, in)
		if err != nil || !slices.Equal(got.Extra().RuntimeFlags, c.want) {
			t.Errorf("%s: got %+v, %v, want %q", c.name, got, err, c.want)
		}
	}
	in := testInput()
	rootfs := &state.Extras{Rootfs: &state.HostRoot{Path: "/srv"}}
	got, err := Complete(&state.Config{Extras: rootfs}, nil, in)
	if err != nil || !slices.Equal(got.Process.Args(), []string{""}) {
		t.Errorf("a directory without a command: got %+v, %v", got, err)
	}
}
