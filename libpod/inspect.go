package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"skiff/libpod/inspect"
	"skiff/state"
	"skiff/state/jsonfile"
)

// ContainerInspect reads what is known of one container, found by name or id.
// It takes no lock. With size it measures the writable layer.
func (e *Engine) ContainerInspect(ref string, size bool) (inspect.Container, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return inspect.Container{}, err
	}
	c, err := e.container(id)
	if err != nil {
		return inspect.Container{}, err
	}
	if img, err := e.Images.Load(c.Config.Image.ID); err == nil {
		c.Image = img // a container outlives its image
	}
	c.NetworkIDs = e.networkIDs(c.Config.Network)
	if size {
		if err := e.measure(&c); err != nil {
			return inspect.Container{}, err
		}
	}
	return c, nil
}

// networkIDs are the ids of a container's networks by name; one that is gone has
// none.
func (e *Engine) networkIDs(n state.Network) map[string]string {
	ids := map[string]string{}
	for _, r := range e.predefinedNetworks() {
		ids[r.Name] = r.ID
	}
	for _, ep := range n.Endpoints {
		if r, err := e.Networks().LoadNetwork(ep.Network); err == nil {
			ids[ep.Network] = r.ID
		}
	}
	return ids
}

// PublishedPorts are the ports of a container as they are now.
func (e *Engine) PublishedPorts(ref string) ([]state.Port, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return nil, err
	}
	c, err := e.container(id)
	if err != nil {
		return nil, err
	}
	if !c.Status.Phase.Active() {
		return nil, nil
	}
	for _, p := range c.Status.Network.Ports {
		if p.ContainerPort == 0 {
			return nil, state.Errorf(state.ErrInvalid, "container %s: its status has a port without number", id)
		}
	}
	return c.Status.Network.Ports, nil
}

// podmansDefault is what Podman calls the default network.
const podmansDefault = "podman"

// NetworkInspect reads a network's record, found by name or the beginning of
// its id, and the containers. The networks that exist from the start have a
// record only once they were used.
func (e *Engine) NetworkInspect(ref string) (state.NetworkRecord, []inspect.Container, error) {
	r, err := e.network(ref)
	if err != nil {
		return r, nil, err
	}
	all, err := e.containers()
	return r, all, err
}

// network finds a network's record by its name or the beginning of its id. The
// default one is also default and, unless there is another of that name, podman.
func (e *Engine) network(ref string) (r state.NetworkRecord, err error) {
	if ref == "default" || ref == podmansDefault && !jsonfile.Exists(e.Roots.NetworkRecord(ref)) {
		ref = state.DefaultNetwork
	}
	err = os.ErrNotExist
	if plainName(ref) {
		err = jsonfile.Read(e.Roots.NetworkRecord(ref), &r)
	}
	if errors.Is(err, os.ErrNotExist) {
		return e.networkByID(ref)
	}
	return r, err
}

// nameNetworks gives the endpoints the names of their networks, which may be given
// by the beginnings of their ids.
func (e *Engine) nameNetworks(n *state.Network) error {
	for i, ep := range n.Endpoints {
		if ep.Network == state.DefaultNetwork {
			continue
		}
		r, err := e.network(ep.Network)
		if err != nil {
			return err
		}
		n.Endpoints[i].Network = r.Name // resolve has copied the list
		for _, o := range n.Endpoints[:i] {
			if o.Network == r.Name {
				return state.Errorf(state.ErrInvalid, "network %q is given twice", r.Name)
			}
		}
	}
	return nil
}

func (e *Engine) networkByID(ref string) (state.NetworkRecord, error) {
	for _, p := range e.predefinedNetworks() {
		if ref == p.Name || len(ref) >= 12 && strings.HasPrefix(p.ID, ref) {
			return p, nil
		}
	}
	var found []state.NetworkRecord
	files, err := filepath.Glob(filepath.Join(filepath.Dir(e.Roots.NetworkRecord("x")), "*.json"))
	if err != nil {
		return state.NetworkRecord{}, err
	}
	for _, file := range files {
		var r state.NetworkRecord
		if jsonfile.Read(file, &r) == nil && ref != "" && strings.HasPrefix(r.ID, ref) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return state.NetworkRecord{}, &state.MissingError{
			Text:  fmt.Sprintf("unable to find network with name or ID %s: network not found", ref),
			Thing: "network", Ref: ref,
		}
	case 1:
		return found[0], nil
	}
	return state.NetworkRecord{}, state.Errorf(state.ErrAmbiguous, "more than one network has an ID that begins with %q", ref)
}

// plainName reports whether a word from the command line can be the name of a
// record's file.
func plainName(s string) bool {
	return s != "" && s[0] != '.' && !strings.ContainsAny(s, "/\x00")
}
