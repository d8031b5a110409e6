package sandbox

import (
	"fmt"
	"os"

	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"skiff/state"
)

// UserNamespaceMaps reads the maps of a user namespace, as the caller's sees
// them. The kernel shows them only to who looks at a process in it;
// libcontainer starts one.
func UserNamespaceMaps(path string) (state.IDMaps, error) {
	quiet()
	c, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{
		CgroupName: "maps",
		Spec: &specs.Spec{
			Root: &specs.Root{Path: "/"},
			Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
				{Type: specs.MountNamespace}, {Type: specs.UserNamespace, Path: path},
			}},
		},
	})
	if err != nil {
		return state.IDMaps{}, fmt.Errorf("cannot read the user namespace's maps: %w", err)
	}
	return state.IDMaps{UIDs: ranges(c.UIDMappings), GIDs: ranges(c.GIDMappings)}, nil
}

func ranges(in []configs.IDMap) (out []state.IDRange) {
	for _, m := range in {
		out = append(out, state.IDRange{Inside: uint32(m.ContainerID), Outside: uint32(m.HostID), Size: uint32(m.Size)})
	}
	return out
}

// giveStreams gives pipes to the container's root, so that its programs can open
// /dev/stdout. Other files stay whose they are.
func giveStreams(c *configs.Config, streams ...*os.File) {
	if !c.Namespaces.Contains(configs.NEWUSER) {
		return
	}
	uid, uerr := c.HostRootUID()
	gid, gerr := c.HostRootGID()
	if uerr != nil || gerr != nil {
		return
	}
	for _, f := range streams {
		var st unix.Stat_t
		if f == nil || unix.Fstat(int(f.Fd()), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
			continue
		}
		unix.Fchown(int(f.Fd()), uid, gid) // what fails is worth no failed start
	}
}
