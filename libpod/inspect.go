package libpod

import (
	"fmt"

	"skiff/libpod/inspect"
	"skiff/state"
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
	if size {
		if err := e.measure(&c); err != nil {
			return inspect.Container{}, err
		}
	}
	return c, nil
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
			return nil, fmt.Errorf("container %s: a port without number: %w", id, state.ErrInvalid)
		}
	}
	return c.Status.Network.Ports, nil
}
