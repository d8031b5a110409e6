package parse

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"skiff/state"
)

// overlayOf is the mount's overlay, so far.
func overlayOf(m *state.Mount) *state.MountOverlay {
	if m.Overlay == nil {
		return &state.MountOverlay{}
	}
	return m.Overlay
}

func overlayDir(dst *string, option, dir string) error {
	if !path.IsAbs(dir) {
		return fmt.Errorf("the option %q needs an absolute path", option)
	}
	*dst = path.Clean(dir)
	return nil
}

// checkOverlay refuses what cannot be had together with the option O.
func checkOverlay(m *state.Mount) error {
	o := m.Overlay
	if o == nil {
		return nil
	}
	switch {
	case (o.Upper == "") != (o.Work == ""):
		return errors.New("the options upperdir and workdir must be given together")
	case o.Upper != "" && (o.Upper == o.Work || o.Upper == m.Source || o.Work == m.Source):
		return errors.New("the options upperdir and workdir need directories of their own")
	case m.Propagation != "":
		return fmt.Errorf("the option %q does not go with O: nothing is mounted below an overlay", m.Propagation)
	case slices.Contains(m.Options, "idmap"):
		return errors.New("the option idmap does not go with O")
	case m.Type == state.MountBind:
		m.MakeSource = false // Podman's rule: there is nothing to lay over
	}
	return nil
}
