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
// key, BuildDownloads one per URL that was got, and BuildMounts what RUN
// --mount=type=cache shows.
func (r Roots) Builds() string         { return filepath.Join(r.Data, "builds") }
func (r Roots) BuildSteps() string     { return filepath.Join(r.Builds(), "steps") }
func (r Roots) BuildWork() string      { return filepath.Join(r.Builds(), "work") }
func (r Roots) BuildContexts() string  { return filepath.Join(r.Builds(), "contexts") }
func (r Roots) BuildResults() string   { return filepath.Join(r.Builds(), "results") }
func (r Roots) BuildDownloads() string { return filepath.Join(r.Builds(), "downloads") }
func (r Roots) BuildMounts() string    { return filepath.Join(r.Builds(), "mounts") }

// BuildContext is the file of one context, which key stands for.
func (r Roots) BuildContext(key string) string { return filepath.Join(r.BuildContexts(), key) }

// BuildSecrets holds one directory per build with what its steps are to see and
// nobody else, such as secrets and sockets.
func (r Roots) BuildSecrets() string { return filepath.Join(r.Run, "builds") }

// BuildsRunning is held shared by each build under way.
func (r Roots) BuildsRunning() string { return filepath.Join(r.Builds(), "running.lock") }

// ShiftedLayers holds copies of layers whose files belong to other ids, for user
// namespaces where owners cannot be mapped (rootfs/layer, Shifted).
func (r Roots) ShiftedLayers() string { return filepath.Join(r.Data, "shifted") }

// UserNamespacesLock is held while ids are given to a container that no other
// has, until its record is there.
func (r Roots) UserNamespacesLock() string { return filepath.Join(r.Data, "userns.lock") }

// Names holds one file per container name, made O_EXCL, with the id in it.
func (r Roots) Names() string { return filepath.Join(r.Data, "names") }

// Name is the file that reserves a container name.
func (r Roots) Name(name string) string { return filepath.Join(r.Names(), name) }

// Images holds one record per image and the name index.
func (r Roots) Images() string { return filepath.Join(r.Data, "images") }

// Image is an image's record.
func (r Roots) Image(id string) string { return filepath.Join(r.Images(), id+".json") }

// ImageLock is held shared while a container is made from an image, and
// exclusive while images are removed.
func (r Roots) ImageLock() string { return filepath.Join(r.Images(), "lock") }

// ImageNames holds one file per image name (escaped), with the id in it.
func (r Roots) ImageNames() string { return filepath.Join(r.Images(), "names") }

// ImageRecordsLock is held by whoever changes image records, and only for as
// long as that takes.
func (r Roots) ImageRecordsLock() string { return filepath.Join(r.Images(), "records.lock") }

// ImageLayersLock is held shared while an image is added to the store, and
// exclusive while layers without an image are removed.
func (r Roots) ImageLayersLock() string { return filepath.Join(r.Images(), "layers.lock") }

// ImagePulls holds one lock file per image that is being pulled.
func (r Roots) ImagePulls() string { return filepath.Join(r.Images(), "pulls") }

// Spool holds one directory per running image tool, for blobs on their way.
func (r Roots) Spool() string { return filepath.Join(r.Data, "spool") }

// SharedImages holds the records of the images of one list of shared stores,
// which key stands for. They are derived, so they live below the run root.
func (r Roots) SharedImages(key string) string { return filepath.Join(r.Run, "images", key) }

// Volumes holds one directory per volume.
func (r Roots) Volumes() string {
	if r.VolumePath != "" {
		return r.VolumePath
	}
	return filepath.Join(r.Data, "volumes")
}

// Volume is a volume's directory, VolumeRecord its record, VolumeData its
// content. VolumeLock is held by whoever fills or removes it, VolumeFill and
// VolumeRestore are content on its way into it, and VolumeTrash is the whole directory on its way
// out; no volume can have its name.
func (r Roots) Volume(name string) string       { return filepath.Join(r.Volumes(), name) }
func (r Roots) VolumeRecord(name string) string { return filepath.Join(r.Volume(name), "volume.json") }
func (r Roots) VolumeData(name string) string   { return filepath.Join(r.Volume(name), "_data") }
func (r Roots) VolumeLock(name string) string   { return filepath.Join(r.Volume(name), "lock") }
func (r Roots) VolumeFill(name string) string   { return filepath.Join(r.Volume(name), "_fill") }
func (r Roots) VolumeRestore(name string) string {
	return filepath.Join(r.Volume(name), "_restore")
}
func (r Roots) VolumeTrash(name string) string { return filepath.Join(r.Volumes(), ".removing-"+name) }

// Secrets holds one record per secret, content included, for root's (or the
// user's) eyes only.
func (r Roots) Secrets() string { return filepath.Join(r.Data, "secrets") }

// Secret is a secret's record; its name cannot begin with a dot.
func (r Roots) Secret(name string) string { return filepath.Join(r.Secrets(), name+".json") }

// SecretsLock is held by whoever adds or removes one.
func (r Roots) SecretsLock() string { return filepath.Join(r.Secrets(), ".lock") }

// NetworkRecord is a network's record.
func (r Roots) NetworkRecord(name string) string {
	return filepath.Join(r.Data, "networks", name+".json")
}

// NetworksLock is held by whoever makes a network or changes a network's record.
func (r Roots) NetworksLock() string { return filepath.Join(r.Data, "networks", ".lock") }

// Networks is what all networks have below the run root.
func (r Roots) Networks() string { return filepath.Join(r.Run, "networks") }

// Network is a network's directory below the run root: leases, names and lock.
func (r Roots) Network(name string) string { return filepath.Join(r.Networks(), name) }

// Events is the log of what happened, where the user has chosen no other file.
func (r Roots) Events() string { return filepath.Join(r.Data, "events", "events.log") }

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
	return Roots{Run: c.RunRoot()}.CgroupsLock()
}

// RunRoot is the run root that the container's directory is below.
func (c Container) RunRoot() string { return filepath.Dir(filepath.Dir(c.Run)) }

// Mounts holds the directories at which containers' and images' files are shown
// on the host. Podman: mount, image mount.
func (r Roots) Mounts() string { return filepath.Join(r.Run, "mounts") }

// ContainerMount, ImageMount and VolumeMount are where those of one of them are
// shown.
func (r Roots) ContainerMount(id string) string { return filepath.Join(r.Mounts(), id) }
func (r Roots) ImageMount(id string) string     { return filepath.Join(r.Mounts(), "image-"+id) }
func (r Roots) VolumeMount(name string) string  { return filepath.Join(r.Mounts(), "volume-"+name) }

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

// Leaving is the config of a container that is being removed.
func (c Container) Leaving() string { return filepath.Join(c.Data, "leaving.json") }

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
