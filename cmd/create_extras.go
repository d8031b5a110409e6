package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"reflect"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"skiff/cmd/parse"
	"skiff/state"
)

// extraFlags are the options that end up in state.Extras, and those that change
// how the rest of a config is completed.
func extraFlags() []cli.Flag {
	return []cli.Flag{
		text("File mode creation mask of the process, octal", "umask"),
		list("Time zone, such as Europe/Berlin, or local", "tz"),
		text("Execution domain: LINUX or LINUX32", "personality"),
		text("Init program of the host for --init", "init-path"),
		text("Prepare for systemd as the first process: true (where it is), false, always", "systemd"),
		text("Size of each tmpfs that --systemd mounts", "shm-size-systemd"),
		number("Seconds after which the container is killed", "timeout"),
		toggle("Remove the image after the container, unless others use it", "rmi"),
		number("Pass on this number of descriptors from 3 on", "preserve-fds"),
		list("Pass on a descriptor under its number", "preserve-fd"),
		toggle("Add a user that the image does not know to /etc/passwd and /etc/group", "passwd"),
		text("Line for /etc/passwd, with $USERNAME, $UID, $GID, $NAME and $HOME", "passwd-entry"),
		text("Line for /etc/group, with $GROUPNAME and $GID", "group-entry"),
		list("User of the host to add to /etc/passwd", "hostuser"),
		list("Directory in the container that gets resolv.conf, hosts and hostname too", "chrootdirs"),
		toggle("Leave the image's /etc/hostname alone", "no-hostname"),
		toggle("Leave the image's /etc/hosts alone", "no-hosts"),
		text("What /etc/hosts begins with: a file, image or none", "hosts-file"),
		text("File to write the process ID of the container to", "pidfile"),
		text("File to write the process ID of the monitor to", "conmon-pidfile"),
		list("Container that is started first", "requires"),
		toggle("Run the directory that stands in the image's place, with :O without changing it", "rootfs"),
		list("Secret for the container, as NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]", "secret"),
		list("Rule for devices, as \"TYPE MAJOR:MINOR ACCESS\"", "device-cgroup-rule"),
		text("Cgroups of the container: enabled, disabled, no-conmon, split", "cgroups"),
		list("Setting of the cgroup (v2), as FILE=VALUE", "cgroup-conf"),
		text("Class of service of Intel RDT", "rdt-class"),
		list("Environment variable made of the image's, as NAME=TEXT with ${VARIABLE}", "env-merge"),
		toggle("Pass the caller's proxy variables on", "http-proxy"),
		text("What becomes of the image's volumes: anonymous, tmpfs, ignore", "image-volume"),
		list("Mount the volumes of another container, as CONTAINER[:OPTIONS]", "volumes-from"),
		text("Where the seccomp profile comes from: default, image", "seccomp-policy"),
		list("Options of the storage driver for this container", "storage-opt"),
		list("GPUs that their vendor describes (CDI): all, a number, or device=ID", "gpus"),
		list("Know another container of the default network by a name, as NAME[:ALIAS]", "link"),
		text("Accepted and left out: no kernel that skiff runs on has this limit", "kernel-memory"),
	}
}

// extras reads extraFlags.
func (f *form) extras() {
	var x state.Extras
	for _, step := range []func(*state.Extras){f.extraProcess, f.extraUsers, f.extraFiles, f.extraMachine, f.completion, f.unavailable, f.accepted} {
		if step(&x); f.err != nil {
			return
		}
	}
	if !reflect.ValueOf(x).IsZero() {
		f.cfg.Extras = &x
	}
}

// last gives the last of several values: those who wrap the command add theirs.
func (f *form) last(name string) (string, bool) {
	all := f.c.StringSlice(name)
	if len(all) == 0 {
		return "", false
	}
	return all[len(all)-1], true
}

func (f *form) extraProcess(x *state.Extras) {
	c := f.c
	word(f, "umask", parse.Umask, func(n uint32) { x.Umask = &n })
	if tz, ok := f.last("tz"); ok && f.err == nil {
		x.Timezone, f.err = parse.Timezone(tz)
	}
	word(f, "personality", parse.Personality, func(s string) { x.Personality = s })
	word(f, "init-path", f.absolute, func(s string) { x.InitPath = s })
	word(f, "systemd", parse.Systemd, func(s string) { f.req.Explicit.Systemd = s })
	if f.req.Explicit.Systemd == "" && f.docker {
		f.req.Explicit.Systemd = "false"
	}
	sized(f, "shm-size-systemd", func(n int64) { x.ShmSizeSystemd = n })
	f.number("timeout", 0, 1<<31-1, func(n int) { x.Timeout = n })
	if x.RemoveImage = c.Bool("rmi"); x.RemoveImage && f.err == nil {
		if c.IsSet("rm") && !c.Bool("rm") {
			f.err = errors.New("the --rmi option does not work without --rm")
		}
		f.cfg.AutoRemove = true
	}
	f.preserved(x)
}

// preserved reads which descriptors go to the container. They have to be open.
func (f *form) preserved(x *state.Extras) {
	if f.err == nil {
		x.PreserveFDs, f.err = preservedFDs(f.c)
	}
}

// preservedFDs are the numbers that --preserve-fds and --preserve-fd stand for.
func preservedFDs(c *cli.Context) (out []int, err error) {
	if c.IsSet("preserve-fds") && c.IsSet("preserve-fd") {
		return nil, errors.New("--preserve-fds and --preserve-fd cannot be set together")
	}
	n := c.Int("preserve-fds")
	if n < 0 || n > parse.MaxFD-2 {
		return nil, fmt.Errorf("invalid value \"%d\" for --preserve-fds: want a whole number from 0 to %d", n, parse.MaxFD-2)
	}
	for fd := 3; fd < 3+n; fd++ {
		out = append(out, fd)
	}
	for _, s := range c.StringSlice("preserve-fd") {
		fds, err := parse.FDs(s)
		if err != nil {
			return nil, err
		}
		out = append(out, fds...)
	}
	for _, fd := range out {
		// One that is closed on exec is skiff's own.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			return nil, fmt.Errorf("cannot preserve descriptor %d: it is not open", fd)
		}
	}
	return out, nil
}

func (f *form) absolute(path string) (string, error) {
	if path == "" {
		return "", errors.New("the path of the file is empty")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.cwd, path)
	}
	return filepath.Clean(path), nil
}

func (f *form) extraUsers(x *state.Extras) {
	c := f.c
	x.PasswdEntry, x.GroupEntry = c.String("passwd-entry"), c.String("group-entry")
	x.AddUser = c.Bool("passwd") || !c.IsSet("passwd") && (x.PasswdEntry != "" || x.GroupEntry != "")
	values(f, "hostuser", hostUser, func(line string) { x.HostUsers = append(x.HostUsers, line) })
	for _, g := range f.cfg.Process.Groups {
		if g != "keep-groups" || f.err != nil {
			continue
		}
		if len(f.cfg.Process.Groups) > 1 {
			f.err = errors.New("the '--group-add keep-groups' option is not allowed with any other --group-add options")
			return
		}
		x.KeepGroups, f.cfg.Process.Groups = true, nil
	}
}

// hostUser is the passwd(5) line of a user of this machine, by name or number.
func hostUser(who string) (string, error) {
	u, err := user.Lookup(who)
	if err != nil {
		if u, err = user.LookupId(who); err != nil {
			return "", fmt.Errorf("cannot add host user %q: no such user", who)
		}
	}
	return fmt.Sprintf("%s:*:%s:%s:%s:%s:/bin/sh", u.Username, u.Uid, u.Gid, u.Name, u.HomeDir), nil
}

func (f *form) extraFiles(x *state.Extras) {
	c := f.c
	values(f, "chrootdirs", parse.ChrootDirs, func(dirs []string) { x.ChrootDirs = append(x.ChrootDirs, dirs...) })
	x.NoHostname, x.NoHosts = c.Bool("no-hostname"), c.Bool("no-hosts")
	word(f, "hosts-file", func(s string) (string, error) {
		if s == "image" || s == "none" {
			return s, nil
		}
		return f.absolute(s)
	}, func(s string) { x.HostsFile = s })
	if f.err == nil && x.NoHosts && (x.HostsFile != "" || len(c.StringSlice("add-host")) > 0) {
		other := "--hosts-file"
		if len(c.StringSlice("add-host")) > 0 {
			other = "--add-host"
		}
		f.err = fmt.Errorf("--no-hosts and %s cannot be set together", other)
	}
	word(f, "pidfile", f.absolute, func(s string) { x.PidFile = s })
	word(f, "conmon-pidfile", f.absolute, func(s string) { x.MonitorPidFile = s })
	if c.Bool("rootfs") && f.err == nil {
		if x.Rootfs, f.err = parse.HostRoot(f.req.Image, f.cwd); f.err == nil {
			if st, err := os.Stat(x.Rootfs.Path); err != nil || !st.IsDir() {
				f.err = fmt.Errorf("cannot run from %q: it is not a directory", x.Rootfs.Path)
			}
			f.req.Image, f.cfg.Image.Given = "", ""
		}
	}
	values(f, "secret", parse.Secret, func(s state.SecretUse) { x.Secrets = append(x.Secrets, s) })
}

func (f *form) extraMachine(x *state.Extras) {
	c := f.c
	x.Requires = c.StringSlice("requires")
	values(f, "link", parse.Link, func(l state.Link) { x.Links = append(x.Links, l) })
	for _, gpus := range f.c.StringSlice("gpus") {
		f.gpus(gpus)
	}
	values(f, "device-cgroup-rule", parse.DeviceRule, func(s string) { x.DeviceRules = append(x.DeviceRules, s) })
	values(f, "cgroup-conf", parse.CgroupConf, func(kv [2]string) {
		if x.CgroupConf == nil {
			x.CgroupConf = map[string]string{}
		}
		x.CgroupConf[kv[0]] = kv[1]
	})
	x.RdtClass = c.String("rdt-class")
	values(f, "security-opt", func(s string) (string, error) { return s, parse.ExtraSecurity(x, s) }, func(string) {})
	if mode := c.String("cgroups"); f.err == nil && c.IsSet("cgroups") {
		f.req.Explicit.Cgroups = true
		switch mode {
		case "enabled", "no-conmon": // the monitor is never in its container's cgroup
		case state.CgroupsDisabled, state.CgroupsSplit:
			x.Cgroups = mode
		default:
			f.err = fmt.Errorf("invalid value %q for --cgroups: want enabled, disabled, no-conmon or split", mode)
		}
	}
}

// gpus gives the container what the vendor describes as GPUs.
func (f *form) gpus(value string) {
	if f.err != nil {
		return
	}
	devices, features, err := parse.GPUs(value)
	if err != nil {
		f.err = err
		return
	}
	if features != "" {
		f.warn(fmt.Sprintf("the capabilities %s of --gpus are left out: what a device can do is the vendor's description of it", features))
	}
	f.cfg.Devices = append(f.cfg.Devices, devices...)
}

// completion reads what changes how the image's part is taken.
func (f *form) completion(*state.Extras) {
	c, given := f.c, &f.req.Explicit
	given.EnvMerge = c.StringSlice("env-merge")
	if c.IsSet("http-proxy") {
		on := c.Bool("http-proxy")
		given.HTTPProxy = &on
	}
	given.Environ = os.Environ
	word(f, "image-volume", parse.ImageVolume, func(s string) { given.ImageVolume = s })
	values(f, "volumes-from", parse.VolumesFrom, func(v parse.From) { given.VolumesFrom = append(given.VolumesFrom, v) })
	switch policy := c.String("seccomp-policy"); {
	case f.err != nil:
	case policy == "image":
		given.SeccompOfImage = true
	case policy != "" && policy != "default":
		f.err = fmt.Errorf("invalid value %q for --seccomp-policy: want default or image", policy)
	}
}

// unavailable refuses what no machine of skiff's can do.
func (f *form) unavailable(*state.Extras) {
	if opts := f.c.StringSlice("storage-opt"); len(opts) > 0 && f.err == nil {
		f.err = fmt.Errorf("cannot use --storage-opt %q: there are no quotas for containers; put what may grow on a tmpfs with a size", opts[0])
	}
}
