package link

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"skiff/netsetup/plan"
)

// Endpoint fills a device of the container, whose namespace the connection is in:
// addresses, up, routes. It gives the device's hardware address.
func (c *Conn) Endpoint(e plan.Endpoint) (net.HardwareAddr, error) {
	d, ok, err := c.lookup(e.Device.Name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("the container's device %s is gone", e.Device.Name)
	}
	for _, a := range e.Addresses {
		if err := c.Address(d.index, a); err != nil {
			return nil, err
		}
	}
	if err := c.rise(d.index); err != nil {
		return nil, err
	}
	for _, r := range e.Routes {
		if err := c.Route(d.index, r); err != nil {
			return nil, err
		}
	}
	for _, r := range e.Defaults {
		if err := c.Route(d.index, r); err != nil {
			return nil, err
		}
	}
	return d.mac, nil
}

// rise sets the device up. That of a macvlan fails for as long as another has its
// hardware address: that of a container which had the same IP address before.
func (c *Conn) rise(index int) error {
	for deadline := time.Now().Add(settling); ; time.Sleep(5 * time.Millisecond) {
		err := c.Up(index)
		if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EADDRINUSE) || time.Now().After(deadline) {
			return err
		}
	}
}

// Defaults makes the routes the default ones of a device, and Withdraw takes them
// away.
func (c *Conn) Defaults(dev string, rs []plan.Route) error { return c.each(dev, rs, c.Route) }

// Withdraw removes routes of a device.
func (c *Conn) Withdraw(dev string, rs []plan.Route) error { return c.each(dev, rs, c.DeleteRoute) }

func (c *Conn) each(dev string, rs []plan.Route, do func(int, plan.Route) error) error {
	if len(rs) == 0 {
		return nil
	}
	index, ok, err := c.Index(dev)
	if err == nil && !ok {
		err = fmt.Errorf("the container's device %s is gone", dev)
	}
	for _, r := range rs {
		if err == nil {
			err = do(index, r)
		}
	}
	return err
}
