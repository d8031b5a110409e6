package cmd

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"skiff/cmd/format"
	"skiff/libpod/inspect"
	"skiff/state"
)

// psRow is a container as ps prints it. Its methods are the template fields of
// docker and podman.
type psRow struct {
	c       *inspect.Container
	now     time.Time
	noTrunc bool
	docker  bool
}

func psHeads() map[string]string {
	return map[string]string{
		"ID": "CONTAINER ID", "ImageID": "IMAGE ID", "CreatedHuman": "CREATED", "RunningFor": "RUNNING FOR",
		"Pod": "POD ID", "PodName": "PODNAME", "Cgroup": "CGROUPNS", "User": "USERNS", "PIDNS": "PIDNS",
		"LocalVolumes": "LOCAL VOLUMES", "CIDFile": "CIDFILE",
	}
}

func (r psRow) ID() string {
	if r.noTrunc {
		return r.c.Config.ID
	}
	return format.ShortID(r.c.Config.ID)
}

func (r psRow) Image() string {
	name := r.c.Config.Image.Name
	if state.IsID(name) && !r.noTrunc {
		return format.ShortID(name)
	}
	if r.docker {
		return strings.TrimSuffix(inspect.Familiar(name), ":latest")
	}
	return name
}

func (r psRow) ImageID() string {
	if r.noTrunc {
		return r.c.Config.Image.ID
	}
	return format.ShortID(r.c.Config.Image.ID)
}

func (r psRow) Command() string {
	args := r.c.Config.Process.Args()
	if r.docker {
		args = slices.Clone(args)
		for i, a := range args {
			args[i] = shellWord(a)
		}
	}
	command := strings.Join(args, " ")
	switch {
	case r.docker && r.noTrunc:
		return strconv.Quote(command)
	case r.docker:
		return strconv.Quote(format.Ellipsis(command, 20, "…"))
	case r.noTrunc:
		return command
	}
	return format.Ellipsis(command, 20, "...")
}

// shellWord quotes a word of which a shell would make something else, the way
// Docker shows it.
func shellWord(s string) string {
	if strings.ContainsAny(s, " \t\n'\"\\|&;()<>$`*?[]#~=%{}!") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// Status is the state in words.
func (r psRow) Status() string {
	st := r.c.Status
	up := "Up " + format.Duration(r.now.Sub(st.StartedAt))
	code := strconv.Itoa(st.ExitCode)
	switch st.Phase {
	case state.Running:
		if st.Stopping && !r.docker {
			return "Stopping"
		}
		switch word := r.c.HealthWord(); word {
		case "none":
			return up
		case state.HealthStarting:
			return up + " (health: starting)"
		default:
			return up + " (" + word + ")"
		}
	case state.Paused:
		if r.docker {
			return up + " (Paused)"
		}
		return "Paused"
	case state.Restarting:
		return "Restarting (" + code + ") " + format.Ago(st.FinishedAt, r.now)
	case state.Exited:
		return "Exited (" + code + ") " + format.Ago(st.FinishedAt, r.now)
	case state.Initialized:
		return "Initialized"
	case state.Removing:
		return "Removal In Progress"
	case state.Dead:
		return "Dead"
	}
	return "Created"
}

func (r psRow) State() string {
	if r.c.Status.Stopping && !r.docker {
		return inspect.StateStopping
	}
	return string(r.c.Status.Phase)
}
func (r psRow) Names() string        { return r.c.Config.Name }
func (r psRow) CreatedHuman() string { return format.Ago(r.c.Config.Created, r.now) }
func (r psRow) RunningFor() string   { return r.CreatedHuman() }
func (r psRow) Created() time.Time   { return r.c.Config.Created }
func (r psRow) CreatedAt() string {
	return r.c.Config.Created.Local().Format("2006-01-02 15:04:05 -0700 MST")
}
func (r psRow) Labels() string               { return inspect.Labels(r.c.Config.Labels) }
func (r psRow) Label(key string) string      { return r.c.Config.Labels[key] }
func (r psRow) Networks() string             { return strings.Join(r.c.Networks(), ",") }
func (r psRow) Pid() int                     { return r.c.Pid() }
func (r psRow) Restarts() int                { return r.c.Status.RestartCount }
func (r psRow) ExitCode() int                { return r.c.Status.ExitCode }
func (r psRow) Exited() bool                 { return r.c.Status.Phase == state.Exited }
func (r psRow) ExitedAt() int64              { return r.c.Status.FinishedAt.Unix() }
func (r psRow) StartedAt() int64             { return r.c.Status.StartedAt.Unix() }
func (r psRow) AutoRemove() bool             { return r.c.Config.AutoRemove }
func (r psRow) CIDFile() string              { return r.c.Config.CIDFile }
func (r psRow) IsInfra() bool                { return false }
func (r psRow) Pod() string                  { return "" }
func (r psRow) PodName() string              { return "" }
func (r psRow) Platform() string             { return "" }
func (r psRow) ExposedPorts() []string       { return r.c.Config.Network.Expose }
func (r psRow) Namespaces() psNamespaces     { return psNamespaces(r.c.Namespaces) }
func (r psRow) Cgroup() string               { return r.c.Namespaces.Cgroup }
func (r psRow) IPC() string                  { return r.c.Namespaces.IPC }
func (r psRow) MNT() string                  { return r.c.Namespaces.Mnt }
func (r psRow) NET() string                  { return r.c.Namespaces.Net }
func (r psRow) PIDNS() string                { return r.c.Namespaces.PID }
func (r psRow) User() string                 { return r.c.Namespaces.User }
func (r psRow) UTS() string                  { return r.c.Namespaces.UTS }
func (n psNamespaces) MNT() string           { return n.Mnt }
func (n psNamespaces) NET() string           { return n.Net }
func (n psNamespaces) PIDNS() string         { return n.PID }
func (r psRow) MarshalJSON() ([]byte, error) { return r.marshal() }

// Ports are what is published and exposed. Docker shows only what holds now.
func (r psRow) Ports() string {
	if !r.docker {
		return inspect.PortText(r.c.Ports(), r.c.Config.Network.Expose)
	}
	if !r.c.Status.Phase.Active() || r.c.Config.Network.Mode != state.ModeBridge {
		return inspect.DockerPortText(r.c.Status.Network.Ports, nil)
	}
	return inspect.DockerPortText(r.c.Status.Network.Ports, r.c.Config.Network.Expose)
}

// psNamespaces are the namespaces under the names that podman's templates use.
type psNamespaces inspect.Namespaces

// Mounts are names of volumes and paths.
func (r psRow) Mounts() string {
	var names []string
	for _, m := range r.c.Config.Mounts {
		name := cmp.Or(m.ImageName, m.Source)
		if m.InMemory() {
			name = m.Target
		}
		if !r.noTrunc {
			name = format.Ellipsis(name, 15, "…")
		}
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// LocalVolumes is the number of volumes.
func (r psRow) LocalVolumes() string {
	n := 0
	for _, m := range r.c.Config.Mounts {
		if m.Type == state.MountVolume {
			n++
		}
	}
	return strconv.Itoa(n)
}

// Size is that of the writable layer, and of all there is.
func (r psRow) Size() string {
	if r.c.SizeRw == nil || r.c.SizeRoot == nil {
		return ""
	}
	return format.Size(*r.c.SizeRw) + " (virtual " + format.Size(*r.c.SizeRoot) + ")"
}

// fields are docker's, in its order.
func (r psRow) fields() []field {
	return []field{
		{"Command", r.Command()}, {"CreatedAt", r.CreatedAt()}, {"ID", r.ID()}, {"Image", r.Image()},
		{"Labels", r.Labels()}, {"LocalVolumes", r.LocalVolumes()}, {"Mounts", r.Mounts()}, {"Names", r.Names()},
		{"Networks", r.Networks()}, {"Ports", r.Ports()}, {"RunningFor", r.RunningFor()}, {"Size", r.Size()},
		{"State", r.State()}, {"Status", r.Status()},
	}
}

// marshal is what the template function json makes of a row.
func (r psRow) marshal() ([]byte, error) {
	if r.docker {
		return object(r.fields()), nil
	}
	return json.Marshal(r.c.Listed(r.Status(), r.CreatedHuman()))
}
