package proctable

import (
	"strconv"
	"strings"
	"time"
)

// column is one kind of column: its heading and how to fill it.
type column struct {
	head string
	text func(*process) string
}

// columnOf gives a kind of column by the names that ps, ps's AIX formats and
// Podman have for it. Podman: top, FORMAT DESCRIPTORS.
func columnOf(name string) (column, bool) {
	if !strings.HasPrefix(name, "%") { // in ps's AIX formats case matters
		name = strings.ToLower(name)
	}
	for _, find := range []func(string) (column, bool){accountColumn, idColumn, timeColumn, stateColumn} {
		if c, ok := find(name); ok {
			return c, true
		}
	}
	return column{}, false
}

// accountColumn are users and groups, in the container and on the host.
func accountColumn(name string) (column, bool) {
	switch name {
	case "user", "euser", "uname", "%U":
		return column{"USER", func(p *process) string { return p.user(effective) }}, true
	case "ruser", "%u":
		return column{"RUSER", func(p *process) string { return p.user(real) }}, true
	case "uid", "euid":
		return column{"UID", func(p *process) string { return p.uid(effective) }}, true
	case "group", "egroup", "%G":
		return column{"GROUP", func(p *process) string { return p.group(effective) }}, true
	case "rgroup", "%g":
		return column{"RGROUP", func(p *process) string { return p.group(real) }}, true
	case "groups":
		return column{"GROUPS", (*process).groups}, true
	case "huser":
		return column{"HUSER", func(p *process) string { return hostUser(p.id("Uid", effective)) }}, true
	case "huid":
		return column{"HUID", func(p *process) string { return p.id("Uid", effective) }}, true
	case "hgroup":
		return column{"HGROUP", func(p *process) string { return hostGroup(p.id("Gid", effective)) }}, true
	case "hgroups":
		return column{"HGROUPS", func(p *process) string { return strings.Join(strings.Fields(p.status["Groups"]), ",") }}, true
	}
	return column{}, false
}

// idColumn are the numbers of processes, and what they are called.
func idColumn(name string) (column, bool) {
	switch name {
	case "pid", "%p":
		return column{"PID", func(p *process) string { return p.inner("NSpid") }}, true
	case "hpid":
		return column{"HPID", func(p *process) string { return strconv.Itoa(p.pid) }}, true
	case "ppid", "%P":
		return column{"PPID", (*process).parent}, true
	case "pgid", "pgrp", "%r":
		return column{"PGID", func(p *process) string { return p.inner("NSpgid") }}, true
	case "sid", "sess", "session":
		return column{"SID", func(p *process) string { return p.inner("NSsid") }}, true
	case "tty", "tt", "tname", "%y":
		return column{"TTY", (*process).tty}, true
	case "args", "cmd", "command", "%a":
		return column{"COMMAND", func(p *process) string { return p.args }}, true
	case "comm", "ucmd", "ucomm", "%c":
		return column{"COMMAND", func(p *process) string { return p.comm }}, true
	}
	return column{}, false
}

func timeColumn(name string) (column, bool) {
	switch name {
	case "pcpu", "%cpu", "c", "%C":
		return column{"%CPU", (*process).cpu}, true
	case "etime", "elapsed", "%t":
		return column{"ELAPSED", func(p *process) string { return p.elapsed().String() }}, true
	case "time", "cputime", "%x":
		return column{"TIME", func(p *process) string { return p.cpuTime().String() }}, true
	case "stime", "start_time", "lstart":
		return column{"STIME", func(p *process) string { return p.started().Format("2006-01-02 15:04:05 -0700 MST") }}, true
	}
	return column{}, false
}

// stateColumn are the rest: size, priority, state and what it may do.
func stateColumn(name string) (column, bool) {
	caps := func(head, field string) (column, bool) {
		return column{head, func(p *process) string { return capabilities(p.status[field]) }}, true
	}
	switch name {
	case "nice", "ni", "%n":
		return column{"NI", func(p *process) string { return p.stat[16] }}, true
	case "vsz", "vsize", "%z":
		return column{"VSZ", func(p *process) string { return p.kilobytes("VmSize") }}, true
	case "rss", "rssize", "rsz":
		return column{"RSS", func(p *process) string { return p.kilobytes("VmRSS") }}, true
	case "state", "s", "stat":
		return column{"STATE", func(p *process) string { return p.stat[0] }}, true
	case "seccomp":
		return column{"SECCOMP", (*process).seccomp}, true
	case "label":
		return column{"LABEL", (*process).label}, true
	case "capamb":
		return caps("AMBIENT CAPS", "CapAmb")
	case "capbnd":
		return caps("BOUNDING CAPS", "CapBnd")
	case "capeff":
		return caps("EFFECTIVE CAPS", "CapEff")
	case "capinh":
		return caps("INHERITED CAPS", "CapInh")
	case "capprm":
		return caps("PERMITTED CAPS", "CapPrm")
	}
	return column{}, false
}

// started is when the process began.
func (p *process) started() time.Time { return time.Now().Add(-p.elapsed()).Round(time.Second) }
