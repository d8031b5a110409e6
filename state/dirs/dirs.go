// Package dirs names every path that skiff uses below its two roots. No other
// package joins these paths itself.
package dirs

import (
	"os"
	"path/filepath"
	"strconv"
)

// Roots are the two directories that hold all state.
type Roots struct {
	// Data holds what is durable. Option --root.
	Data string
	// Run holds what is true until the next boot. Option --runroot.
	Run string
	// VolumePath holds the volumes where they are not to be below Data. Option
	// --volumepath.
	VolumePath string `json:",omitempty"`
	// Steps says that the containers meant are the steps of builds, whose records are
	// kept apart, so that nothing else meets them.
	Steps bool `json:",omitempty"`
}

// Default gives the roots of the calling user: /var/lib/skiff and /run/skiff
// for root, below XDG_DATA_HOME and XDG_RUNTIME_DIR for others. uid is the
// user's real id outside of any user namespace.
func Default(uid int) Roots {
	if uid == 0 {
		return Roots{Data: "/var/lib/skiff", Run: "/run/skiff"}
	}
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		data = filepath.Join(os.Getenv("HOME"), ".local/share")
	}
	run := os.Getenv("XDG_RUNTIME_DIR")
	if run == "" {
		run = filepath.Join(os.TempDir(), "skiff-run-"+strconv.Itoa(uid))
	}
	return Roots{Data: filepath.Join(data, "skiff"), Run: filepath.Join(run, "skiff")}
}

// Containers holds one directory per container.
func (r Roots) Containers() string {
	if r.Steps {
		return filepath.Join(r.Builds(), "containers")
	}
	return filepath.Join(r.Data, "containers")
}

// Builds holds what builds keep: BuildSteps one directory per step that was done
// (rootfs/build/cache), BuildWork one per build that runs, BuildContexts the
// digests of files of contexts, BuildResults one file per image that came out, by
// key, and BuildMounts what RUN --mount=type=cache shows.
func (r Roots) Builds() string        { return filepath.Join(r.Data, "builds") }
func (r Roots) BuildSteps() string    { return filepath.Join(r.Builds(), "steps") }
func (r Roots) BuildWork() string     { return filepath.Join(r.Builds(), "work") }
func (r Roots) BuildContexts() string { return filepath.Join(r.Builds(), "contexts") }
func (r Roots) BuildResults() string  { return filepath.Join(r.Builds(), "results") }
func (r Roots) BuildMounts() string   { return filepath.Join(r.Builds(), "mounts") }

// Storage is containers/storage's own root, StorageRun its run root.
func (r Roots) Storage() string    { return filepath.Join(r.Data, "storage") }
func (r Roots) StorageRun() string { return filepath.Join(r.Run, "storage") }

// Programs holds the unpacked programs of this and earlier versions.
func (r Roots) Programs() string { return filepath.Join(r.Data, "programs") }

// Sandboxes is libcontainer's state root: one directory per running container.
func (r Roots) Sandboxes() string { return filepath.Join(r.Run, "sandboxes") }

// CgroupsLock is held shared while a container's cgroup is made, and exclusive
// while the parent of the cgroups is removed.
func (r Roots) CgroupsLock() string { return filepath.Join(r.Run, "cgroups.lock") }

// CgroupsLock is that of the container's roots.
func (c Container) CgroupsLock() string {
	return Roots{Run: filepath.Dir(filepath.Dir(c.Run))}.CgroupsLock()
}

// Mounts holds the directories at which containers' and images' files are shown
// on the host. Podman: mount, image mount.
func (r Roots) Mounts() string { return filepath.Join(r.Run, "mounts") }

// ContainerMount and ImageMount are where those of one of them are shown.
func (r Roots) ContainerMount(id string) string { return filepath.Join(r.Mounts(), id) }
func (r Roots) ImageMount(id string) string     { return filepath.Join(r.Mounts(), "image-"+id) }

// Runs holds one directory per container that runs, or that was not cleaned up
// after its end.
func (r Roots) Runs() string { return filepath.Join(r.Run, "containers") }

// Container gives the paths of one container.
func (r Roots) Container(id string) Container {
	return Container{ID: id, Data: filepath.Join(r.Containers(), id), Run: filepath.Join(r.Runs(), id)}
}

// Container are the paths of one container.
type Container struct {
	ID   string
	Data string // durable directory
	Run  string // directory below the run root, there only while it runs
}

// Config is what was asked.
func (c Container) Config() string { return filepath.Join(c.Data, "config.json") }

// Exit is the status of the last run.
func (c Container) Exit() string { return filepath.Join(c.Data, "exit.json") }

// Desired is what the user wants of it, see state.Desired.
func (c Container) Desired() string { return filepath.Join(c.Data, "desired.json") }

// LastHealth is how it was when its last run ended, see state.Health.
func (c Container) LastHealth() string { return filepath.Join(c.Data, "health.json") }

// Lock is held by whoever changes the container.
func (c Container) Lock() string { return filepath.Join(c.Data, "lock") }

// Upper and Work are the writable layer.
func (c Container) Upper() string { return filepath.Join(c.Data, "upper") }
func (c Container) Work() string  { return filepath.Join(c.Data, "work") }

// ImageUpper and ImageWork are the writable layer of the container's nth image
// mount, counted from 1, where that one is writable.
func (c Container) ImageUpper(n int) string {
	return filepath.Join(c.Data, "image"+strconv.Itoa(n)+"-upper")
}
func (c Container) ImageWork(n int) string {
	return filepath.Join(c.Data, "image"+strconv.Itoa(n)+"-work")
}

// Rootfs is where the start stage mounts the root file system, in its own
// mount namespace; on the host the directory is always empty.
func (c Container) Rootfs() string { return filepath.Join(c.Data, "rootfs") }

// Log is the log file of the file drivers.
func (c Container) Log() string { return filepath.Join(c.Data, "container.log") }

// Secret is the copy of the container's secret with that number.
func (c Container) Secret(n int) string {
	return filepath.Join(c.Data, "secrets", strconv.Itoa(n))
}

// Status is what is true now.
func (c Container) Status() string { return filepath.Join(c.Run, "status.json") }

// Health is how it is now, see state.Health.
func (c Container) Health() string { return filepath.Join(c.Run, "health.json") }

// Alive is claimed by the monitor for as long as it lives.
func (c Container) Alive() string { return filepath.Join(c.Run, "alive") }

// Control is the monitor's socket.
func (c Container) Control() string { return filepath.Join(c.Run, "ctl.sock") }

// ResolvConf, Hosts and HostnameFile are mounted into the container's /etc.
func (c Container) ResolvConf() string   { return filepath.Join(c.Run, "resolv.conf") }
func (c Container) Hosts() string        { return filepath.Join(c.Run, "hosts") }
func (c Container) HostnameFile() string { return filepath.Join(c.Run, "hostname") }

// ContainerEnv is the file that is mounted on /run/.containerenv where one in the
// root file system would not do.
func (c Container) ContainerEnv() string { return filepath.Join(c.Run, "containerenv") }

// Notify is the directory of the socket for the container's messages to the
// service manager, and NotifySocket that socket's name there.
func (c Container) Notify() string { return filepath.Join(c.Run, "notify") }

// NotifySocket is the name of the socket in Notify.
const NotifySocket = "notify.sock"

// Netns is the file by which pasta knows the network namespace; pasta ends when
// it is removed.
func (c Container) Netns() string { return filepath.Join(c.Run, "netns") }
