package libpod

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/runtime/teardown"
	"skiff/state"
	"skiff/state/jsonfile"
)

// checkCgroups looks for cgroups of containers that do not run.
func (e *Engine) checkCgroups(CheckOptions) ([]Finding, error) {
	if e.Rootless() {
		return nil, nil
	}
	parent := CgroupPrefix(e.Roots)
	dirs, err := filepath.Glob("/sys/fs/cgroup/*/" + parent + "/*")
	if err != nil {
		return nil, err
	}
	unified, _ := filepath.Glob("/sys/fs/cgroup/" + parent + "/*")
	left := map[string][]string{}
	for _, dir := range append(dirs, unified...) {
		if id := filepath.Base(dir); state.IsID(id) && isDir(dir) && !e.inUse(id) && !e.toRepair(id) {
			left[id] = append(left[id], dir)
		}
	}
	var found []Finding
	for id, dirs := range left {
		found = append(found, Finding{Thing: "cgroup " + filepath.Join(parent, short(id)), What: "one of a container that does not run", repair: func(context.Context) error {
			if e.inUse(id) {
				return nil
			}
			_, err := teardown.Run(state.Teardown{Cgroups: dirs})
			return err
		}})
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Thing, b.Thing) })
	return found, nil
}

// checkMounts looks for mounts on the host in directories of containers that are
// not there, where none can be of any use.
func (e *Engine) checkMounts(CheckOptions) ([]Finding, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cannot read the mounts: %w", err)
	}
	var found []Finding
	for _, dir := range mountsBelow(string(data), e.Roots.Containers(), e.Roots.Runs()) {
		id, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(dir, e.Roots.Containers()), e.Roots.Runs())[1:], "/")
		if !state.IsID(id) || e.inUse(id) || jsonfile.Exists(e.Roots.Container(id).Config()) {
			continue
		}
		found = append(found, Finding{Thing: "mount " + dir, What: "one of a container that is not there", repair: func(context.Context) error {
			return unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}})
	}
	return found, nil
}

// mountsBelow are the mount points below one of some directories, the last one
// mounted first, from mountinfo's text: see proc_pid_mountinfo(5), field 5.
func mountsBelow(text string, dirs ...string) (points []string) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape.Replace(fields[4])
		for _, dir := range dirs {
			if strings.HasPrefix(point, dir+"/") {
				points = append(points, point)
			}
		}
	}
	slices.Reverse(points)
	return points
}

// checkLinks looks for ports of skiff's bridges that no running container has.
func (e *Engine) checkLinks(CheckOptions) ([]Finding, error) {
	if e.Rootless() {
		return nil, nil
	}
	records, err := e.Networks().Networks()
	if err != nil {
		return nil, err
	}
	ids, err := e.Store.IDs()
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	for _, id := range ids {
		st, err := e.Store.Status(id)
		if err != nil {
			continue
		}
		if !st.Phase.Active() && e.inUse(id) {
			return nil, nil // it starts: its links are there before its status is
		}
		for _, ep := range st.Network.Endpoints {
			mine[ep.HostLink] = true
		}
	}
	var found []Finding
	for _, r := range records {
		ports, err := e.Networks().BridgePorts(r)
		if err != nil {
			return found, err
		}
		for _, dev := range ports {
			if mine[dev] {
				continue
			}
			found = append(found, Finding{Thing: "link " + dev, What: "part of network " + r.Name + ", but no container's", repair: func(context.Context) error {
				return e.Networks().DeleteLink(dev)
			}})
		}
	}
	return found, nil
}
