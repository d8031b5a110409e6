package firewall

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// firewalld rejects what it knows no zone for, and takes away what others put into
// its rules. So it is asked, as Docker and Podman do, to have the networks in a
// zone that it trusts. It keeps that over its reload, but not over its restart.
const (
	firewalldName = "org.fedoraproject.FirewallD1"
	firewalldPath = "/org/fedoraproject/FirewallD1"
	firewalldZone = "org.fedoraproject.FirewallD1.zone"
	trusted       = "trusted"
)

// firewalldPatience bounds how long firewalld may take to answer; it says nothing
// while it reloads.
const firewalldPatience = 5 * time.Second

// systemBus is where messages to system services go.
const systemBus = "/run/dbus/system_bus_socket"

// firewalld connects to it; nil where it does not run.
func firewalld() *dbus.Conn {
	if _, err := os.Stat(systemBus); err != nil {
		return nil
	}
	raw, err := net.DialTimeout("unix", systemBus, firewalldPatience)
	if err != nil {
		return nil // a socket that nobody serves
	}
	raw.SetDeadline(time.Now().Add(firewalldPatience))
	conn, err := dbus.NewConn(raw)
	if err == nil {
		if err = conn.Auth(nil); err == nil {
			err = conn.Hello()
		}
	}
	if err != nil {
		raw.Close()
		return nil // no bus, no firewalld
	}
	var runs bool
	err = conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, firewalldName).Store(&runs)
	if err != nil || !runs {
		conn.Close()
		return nil
	}
	return conn
}

// passFirewalld has firewalld trust the networks.
func passFirewalld(nws []Network) error {
	conn := firewalld()
	if conn == nil {
		return nil
	}
	defer conn.Close()
	for _, nw := range nws {
		zone, err := zoneOf(conn, nw.Bridge)
		if err != nil {
			return err
		}
		if zone != "" {
			continue // or the user has chosen another one for it
		}
		call := conn.Object(firewalldName, firewalldPath).Call(firewalldZone+".addInterface", 0, trusted, nw.Bridge)
		if call.Err != nil {
			return fmt.Errorf("cannot have firewalld trust the network: %w", call.Err)
		}
	}
	return nil
}

func zoneOf(conn *dbus.Conn, dev string) (zone string, err error) {
	err = conn.Object(firewalldName, firewalldPath).Call(firewalldZone+".getZoneOfInterface", 0, dev).Store(&zone)
	if err != nil {
		return "", fmt.Errorf("cannot ask firewalld: %w", err)
	}
	return zone, nil
}

// unpassFirewalld has firewalld forget the network.
func unpassFirewalld(nw Network) error {
	conn := firewalld()
	if conn == nil {
		return nil
	}
	defer conn.Close()
	zone, err := zoneOf(conn, nw.Bridge)
	if err != nil || zone != trusted {
		return err
	}
	call := conn.Object(firewalldName, firewalldPath).Call(firewalldZone+".removeInterface", 0, trusted, nw.Bridge)
	if call.Err != nil {
		return fmt.Errorf("cannot have firewalld forget the network: %w", call.Err)
	}
	return nil
}
