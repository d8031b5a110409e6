package cmd

import (
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/state"
)

// flagValue is what an option may be given.
func flagValue(app *App, command string, f cli.Flag, last string) answer {
	name, _ := names(f)
	if command == "build" {
		if a, ok := buildValue(app, name); ok {
			return a
		}
	}
	switch name {
	case "network", "net":
		a := choices("bridge", "host", "none", "container:")
		a.list = append(a.list, networkNames(app).list...)
		return prefixed(a, last, "container:", func() answer { return containerNames(app, last, state.Running) })
	case "pid", "ipc", "uts", "userns", "cgroupns":
		a := choices(namespaceModes(name)...)
		return prefixed(a, last, "container:", func() answer { return containerNames(app, last, state.Running) })
	case "volumes-from", "link", "requires":
		return containerNames(app, last)
	case "volume":
		if strings.HasPrefix(last, "/") || strings.HasPrefix(last, ".") {
			return files()
		}
		a := volumeNames(app)
		a.how = completeNoSpace
		return a
	case "secret":
		return secretNames(app)
	case "filter":
		return filterNames(app, command, last)
	case "format":
		return formatNames(command)
	case "sysctl":
		return sysctlNames("/proc/sys", last)
	case "interface-name":
		return hostInterfaces()
	case "type", "sort", "condition":
		return choices(choicesOf(command, name)...)
	case "cidfile", "env-file", "label-file", "authfile", "compat-auth-file", "input", "output", "config", "root",
		"runroot", "cert-dir", "rootfs", "pidfile", "seccomp-policy", "out", "tmpdir", "volumepath", "tls-ca",
		"artifact-config", "digestfile", "device", "blkio-weight-device", "init-path", "creds-file", "runtime", "hooks-dir", "default-mounts-file":
		return files()
	}
	return choices(choicesOf(command, name)...)
}

func namespaceModes(flag string) []string {
	switch flag {
	case "userns":
		return []string{"auto", "host", "keep-id", "nomap", "private", "container:", "ns:"}
	case "ipc":
		return []string{"host", "none", "private", "shareable", "container:", "ns:"}
	}
	return []string{"host", "private", "container:", "ns:"}
}

// choicesOf are the values of options that have a fixed set of them.
func choicesOf(command, flag string) []string {
	switch flag {
	case "add-compression", "compression-format":
		return []string{"gzip", "zstd", "zstd:chunked"}
	case "restart":
		return []string{"no", "always", "unless-stopped", "on-failure", "on-failure:"}
	case "pull":
		return []string{"always", "missing", "never", "newer"}
	case "log-driver":
		return []string{"json-file", "k8s-file", "journald", "none", "passthrough"}
	case "log-opt":
		return []string{"max-size=", "max-file=", "path=", "tag=", "labels=", "env="}
	case "signal", "stop-signal":
		return []string{"SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGSTOP", "SIGCONT"}
	case "cgroup-manager":
		return []string{"cgroupfs", "systemd"}
	case "log-level":
		return []string{"trace", "debug", "info", "warn", "error", "fatal", "panic"}
	case "storage-driver":
		return []string{"overlay", "vfs"}
	case "cgroups":
		return []string{"enabled", "disabled", "no-conmon", "split"}
	case "sdnotify":
		return []string{"container", "conmon", "healthy", "ignore"}
	case "systemd":
		return []string{"true", "false", "always"}
	case "health-on-failure":
		return []string{"none", "kill", "restart", "stop"}
	case "attach":
		return []string{"stdin", "stdout", "stderr"}
	case "security-opt":
		return []string{"apparmor=", "label=", "mask=", "no-new-privileges", "proc-opts=", "seccomp=", "systempaths=", "unmask="}
	case "mount":
		return []string{"type=bind,", "type=volume,", "type=tmpfs,", "type=image,", "type=devpts,", "type=glob,", "type=ramfs,"}
	case "image-volume":
		return []string{"anonymous", "bind", "ignore", "tmpfs"}
	case "group-add":
		return []string{"keep-groups"}
	case "cap-add", "cap-drop":
		return capabilities()
	case "type":
		return []string{"all", "container", "image", "network", "volume"}
	case "condition":
		return []string{"created", "exited", "healthy", "initialized", "paused", "removing", "running", "stopped", "unhealthy"}
	case "sort":
		if command == "images" {
			return []string{"created", "id", "repository", "size", "tag"}
		}
		return []string{"command", "created", "id", "image", "names", "runningfor", "size", "status"}
	}
	return nil
}

// capabilities are the names of capabilities(7), and all of them.
func capabilities() []string {
	return strings.Fields("ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN" +
		" DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN" +
		" MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID" +
		" SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME" +
		" SYS_TTY_CONFIG SYSLOG WAKE_ALARM")
}

// formatNames are json, table and the fields of a command's rows.
func formatNames(command string) answer {
	fields := ""
	switch command {
	case "ps":
		fields = "Command CreatedAt ID Image Labels LocalVolumes Mounts Names Networks Ports RunningFor Size State Status"
	case "images":
		fields = "Containers CreatedAt CreatedSince Digest ID Repository SharedSize Size Tag"
	case "network ls":
		fields = "CreatedAt Created DNSEnabled Driver ID IPAMOptions IPv6 IPv6Enabled Internal Labels Name NetworkInterface Options Scope Subnets"
	case "volume ls":
		fields = "Anonymous CreatedAt Driver GID Labels MountCount Mountpoint Name NeedsChown NeedsCopyUp Options Scope Status UID"
	case "history":
		fields = "Comment Created CreatedAt CreatedBy CreatedSince ID Size Tags"
	case "secret ls":
		fields = "CreatedAt ID Labels Name UpdatedAt"
	case "events":
		fields = "Action Actor Attributes ContainerExitCode Error HealthStatus ID Image Name Network OOMKilled Status Time TimeNano Type"
	case "stats":
		fields = "AVGCPU AvgCPU BlockIO BlockInput BlockOutput CPU CPUNano CPUPerc CPUSystemNano Container ContainerID Duration ID MemLimit MemPerc MemUsage MemUsageBytes Name NetIO Network PIDS PIDs SystemNano Up UpTime"
	case "inspect", "container inspect":
		fields = "Args Config Created Driver HostConfig Id Image Mounts Name NetworkSettings Path RestartCount State"
	case "save":
		return choices("docker-archive", "docker-dir", "oci-archive", "oci-dir")
	case "build", "commit", "push":
		return choices("docker", "oci")
	}
	a := choices("json")
	a.how |= completeNoSpace
	if !strings.HasSuffix(command, "inspect") && fields != "" {
		a.list = append(a.list, candidate{"table", "columns with headings"})
	}
	for _, f := range strings.Fields(fields) {
		a.list = append(a.list, candidate{word: "{{." + f + "}}"})
	}
	return a
}

// filterNames are the keys of a list's filters, and the values of some.
func filterNames(app *App, command, last string) answer {
	key, _, given := strings.Cut(last, "=")
	if given {
		return withKey(key, filterValues(app, key, last))
	}
	keys := "label= name= until="
	switch command {
	case "images", "image prune":
		keys = "after= before= containers= dangling= digest= id= intermediate= label= manifest= readonly= reference= since= until="
	case "volume ls", "volume prune":
		keys = "after= anonymous= dangling= driver= label= name= opt= scope= since= until="
	case "network ls", "network prune":
		keys = "dangling= driver= id= label= name= scope= type= until="
	case "events":
		keys = "container= event= image= label= network= secret= since= type= until= volume="
	case "ps", "start", "stop", "restart", "rm", "kill", "pause", "unpause":
		keys = "ancestor= annotation= before= command= exited= expose= health= id= label= name= network= publish= restart-policy= should-start-on-boot= since= status= until= volume="
	}
	a := choices(strings.Fields(keys)...)
	a.how |= completeNoSpace
	return a
}

func filterValues(app *App, key, last string) answer {
	_, value, _ := strings.Cut(last, "=")
	switch key {
	case "status":
		return choices("created", "dead", "exited", "paused", "removing", "restarting", "running")
	case "health":
		return choices("healthy", "none", "starting", "unhealthy")
	case "dangling", "intermediate", "readonly":
		return choices("true", "false")
	case "restart-policy":
		return choices("no", "always", "unless-stopped", "on-failure")
	case "network":
		return networkNames(app)
	case "volume":
		return volumeNames(app)
	case "ancestor", "image":
		return imageNames(app)
	case "before", "since", "name", "container":
		return containerNames(app, value)
	case "type":
		return choices("builtin", "custom")
	}
	return choices()
}

func withKey(key string, a answer) answer {
	for i := range a.list {
		a.list[i].word = key + "=" + a.list[i].word
	}
	return a
}

// prefixed completes what stands after a prefix, where last has it.
func prefixed(a answer, last, prefix string, rest func() answer) answer {
	if !strings.HasPrefix(last, prefix) {
		return a
	}
	a = rest()
	for i := range a.list {
		a.list[i].word = prefix + a.list[i].word
	}
	return a
}
