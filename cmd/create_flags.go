package cmd

import "github.com/urfave/cli/v2"

func text(usage, name string, short ...string) cli.Flag {
	return &cli.StringFlag{Name: name, Aliases: short, Usage: usage}
}

func list(usage, name string, short ...string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Aliases: short, Usage: usage}
}

func toggle(usage, name string, short ...string) cli.Flag {
	return &cli.BoolFlag{Name: name, Aliases: short, Usage: usage}
}

func number(usage, name string, short ...string) cli.Flag {
	return &cli.IntFlag{Name: name, Aliases: short, Usage: usage}
}

// createFlags are the options that run and create share.
func createFlags(app *App) []cli.Flag {
	var flags []cli.Flag
	for _, group := range [][]cli.Flag{
		identityFlags(), processFlags(), envFlags(), imageFlags(), networkFlags(),
		resourceFlags(), mountFlags(), securityFlags(), userNamespaceFlags(), healthFlags(), logFlags(), retryFlags(app, "pull"), extraFlags(), acceptedFlags(),
	} {
		flags = append(flags, group...)
	}
	return flags
}

func identityFlags() []cli.Flag {
	return []cli.Flag{
		text("Name of the container", "name"),
		list("Label, as NAME=VALUE", "label", "l"),
		list("File with one label a line", "label-file"),
		list("Annotation for the OCI runtime, as NAME=VALUE", "annotation"),
		text("File to write the container's ID to", "cidfile"),
		toggle("Remove a container that has the same name first", "replace"),
	}
}

func processFlags() []cli.Flag {
	return []cli.Flag{
		list("Attach to stdin, stdout or stderr", "attach", "a"),
		toggle("Keep standard input open", "interactive", "i"),
		toggle("Give the container a terminal", "tty", "t"),
		text("Replace the image's entrypoint", "entrypoint"),
		text("Working directory in the container", "workdir", "w"),
		text("User to run as, USER[:GROUP], names or numbers", "user", "u"),
		list("Further group of the user", "group-add"),
		toggle("Put a small init process in front", "init"),
		text("Signal that stop sends", "stop-signal"),
		number("Seconds that stop waits before it kills", "stop-timeout"),
		text("Who tells systemd that the container is ready: conmon, container, healthy, ignore", "sdnotify"),
		text("When to start again: no, on-failure[:COUNT], always, unless-stopped", "restart"),
		toggle("Remove the container when it has ended", "rm"),
	}
}

func envFlags() []cli.Flag {
	return []cli.Flag{
		list("Environment variable, as NAME=VALUE, or NAME for the caller's value", "env", "e"),
		list("File with one environment variable a line", "env-file"),
		toggle("Pass the caller's whole environment on", "env-host"),
		list("Environment variable of the image to leave out", "unsetenv"),
		toggle("Leave out all environment variables of the image", "unsetenv-all"),
	}
}

func imageFlags() []cli.Flag {
	return []cli.Flag{
		text("When to pull the image: always, missing, never, newer", "pull"),
		text("Platform of the image, OS/ARCH[/VARIANT]", "platform"),
		text("Architecture of the image", "arch"),
		text("Operating system of the image", "os"),
		text("Variant of the image's architecture", "variant"),
		toggle("Print no progress of a pull", "quiet", "q"),
		text("File with registry logins", "authfile"),
		text("Directory with certificates for registries", "cert-dir"),
		credsFlag(),
		&cli.BoolFlag{Name: "tls-verify", Value: true, Usage: "Demand HTTPS and verify certificates of registries"},
	}
}

func networkFlags() []cli.Flag {
	return []cli.Flag{
		list("Network: bridge, host, none, pasta, container:NAME or a network's name", "network", "net"),
		list("Further name of the container in its network", "network-alias", "net-alias"),
		text("IPv4 address in its network", "ip"),
		text("IPv6 address in its network", "ip6"),
		text("MAC address in its network", "mac-address"),
		list("Publish a port, as [IP:][HOST:]CONTAINER[/PROTOCOL]", "publish", "p"),
		toggle("Publish all exposed ports on random host ports", "publish-all", "P"),
		list("Expose a port or a range of ports", "expose"),
		text("Host name of the container", "hostname", "h"),
		text("Domain name of the container", "domainname"),
		list("Line for /etc/hosts, as NAME:ADDRESS", "add-host"),
		list("Name server", "dns"),
		list("Option for resolv.conf", "dns-option", "dns-opt"),
		list("Search domain", "dns-search"),
	}
}

func resourceFlags() []cli.Flag {
	return []cli.Flag{
		text("Memory limit in bytes, with b, k, m or g", "memory", "m"),
		text("Limit of memory plus swap, -1 for no limit on swap", "memory-swap"),
		text("Soft memory limit", "memory-reservation"),
		number("How eagerly to swap, 0 to 100", "memory-swappiness"),
		toggle("Do not kill when memory runs out", "oom-kill-disable"),
		number("How readily the kernel kills the container, -1000 to 1000", "oom-score-adj"),
		text("Number of CPUs, such as 1.5", "cpus"),
		text("Relative share of CPU time", "cpu-shares", "c"),
		text("Length of the CPU scheduler's period in microseconds", "cpu-period"),
		text("CPU time in each period in microseconds", "cpu-quota"),
		text("Length of the real-time period in microseconds", "cpu-rt-period"),
		text("Real-time CPU time in each period in microseconds", "cpu-rt-runtime"),
		text("CPUs to run on, such as 0-2,7", "cpuset-cpus"),
		text("Memory nodes to use, such as 0-1", "cpuset-mems"),
		text("Number of processes and threads, -1 for no limit", "pids-limit"),
		number("Relative weight of block I/O, 10 to 1000", "blkio-weight"),
		list("Relative weight on a device, as PATH:WEIGHT", "blkio-weight-device"),
		list("Bytes a second read from a device, as PATH:SIZE", "device-read-bps"),
		list("Bytes a second written to a device, as PATH:SIZE", "device-write-bps"),
		list("Reads a second from a device, as PATH:NUMBER", "device-read-iops"),
		list("Writes a second to a device, as PATH:NUMBER", "device-write-iops"),
		list("Limit of the process, as NAME=SOFT[:HARD]", "ulimit"),
		text("Size of /dev/shm", "shm-size"),
		text("Cgroup below which the container's is made", "cgroup-parent"),
	}
}

func mountFlags() []cli.Flag {
	return []cli.Flag{
		list("Mount a host path or volume, as [SOURCE:]TARGET[:OPTIONS]", "volume", "v"),
		list("Mount, as type=…,source=…,target=…", "mount"),
		list("Mount a tmpfs, as TARGET[:OPTIONS]", "tmpfs"),
		toggle("Make the root file system read-only", "read-only"),
		toggle("With --read-only, keep /run, /tmp and /var/tmp writable", "read-only-tmpfs"),
	}
}

func securityFlags() []cli.Flag {
	return []cli.Flag{
		toggle("Lift nearly every restriction", "privileged"),
		list("Add a capability", "cap-add"),
		list("Drop a capability", "cap-drop"),
		list("Security option: apparmor, label, mask, no-new-privileges, seccomp, systempaths, unmask", "security-opt"),
		list("Give a device of the host, as HOST[:CONTAINER[:PERMISSIONS]]", "device"),
		list("Kernel parameter of the container's namespaces, as NAME=VALUE", "sysctl"),
		text("PID namespace: private, host, container:NAME", "pid"),
		text("IPC namespace: private, shareable, none, host, container:NAME", "ipc"),
		text("UTS namespace: private, host, container:NAME", "uts"),
		text("Cgroup namespace: private, host", "cgroupns"),
	}
}

func logFlags() []cli.Flag {
	return []cli.Flag{
		text("Log driver: json-file, k8s-file, journald, none, passthrough", "log-driver"),
		list("Option for the log driver, as NAME=VALUE", "log-opt"),
	}
}

// attachFlags are the options of the commands that attach a caller.
func attachFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "detach-keys", Value: defaultDetachKeys, Usage: "Keys that leave the container running, such as ctrl-p,ctrl-q"},
		&cli.BoolFlag{Name: "sig-proxy", Value: true, Usage: "Pass signals on to the container"},
	}
}
