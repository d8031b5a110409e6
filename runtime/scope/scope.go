// Package scope takes processes out of the login session that they were started
// in, by way of systemd.
//
// Not here: containers' own scopes (runtime/sandbox has libcontainer make them).
package scope

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// patience bounds the wait for systemd.
const patience = 5 * time.Second

// InSession says whether this process belongs to a login session or to a program
// of a desktop: to a scope. What belongs to a service does not, nor what runs
// where there is no systemd.
func InSession() bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return false
	}
	b, err := os.ReadFile("/proc/self/cgroup")
	return err == nil && inScope(string(b))
}

// inScope looks at systemd's line of a /proc/PID/cgroup: that of the v2
// hierarchy or, where v1 limits, of the one that is named after it.
func inScope(cgroups string) bool {
	for line := range strings.Lines(cgroups) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && (f[0] == "0" || f[1] == "name=systemd") && path.Ext(f[2]) == ".scope" {
			return path.Base(f[2]) != "init.scope"
		}
	}
	return false
}

// Move has systemd put a process into a scope of its own with that name and
// description, which ends with the process. As root the scope is the system's,
// for others that of their own manager, which lives longer than a session only
// if they linger. See loginctl(1), logind.conf(5) KillUserProcesses.
func Move(ctx context.Context, name, description string, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dial, slice := dbus.NewSystemdConnectionContext, "system.slice"
	if os.Geteuid() != 0 {
		dial, slice = dbus.NewUserConnectionContext, "app.slice"
	}
	conn, err := dial(ctx)
	if err != nil {
		return fmt.Errorf("cannot reach systemd: %w", err)
	}
	defer conn.Close()
	done := make(chan string, 1)
	_, err = conn.StartTransientUnitContext(ctx, name+".scope", "fail", []dbus.Property{
		dbus.PropDescription(description), dbus.PropSlice(slice), dbus.PropPids(uint32(pid)),
		{Name: "CollectMode", Value: godbus.MakeVariant("inactive-or-failed")},
	}, done)
	if err != nil {
		return fmt.Errorf("cannot make the scope %s: %w", name, err)
	}
	select {
	case how := <-done:
		if how != "done" {
			return errors.New("cannot make the scope " + name + ": " + how)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot make the scope %s: %w", name, ctx.Err())
	}
}
