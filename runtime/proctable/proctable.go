// Package proctable describes processes from /proc, for `top`: so that it
// needs no ps, neither in the image nor on the host.
//
// Not here: which processes belong to a container.
package proctable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// ticks is the unit of times in /proc/pid/stat: USER_HZ, which is 100 in every
// Linux ABI that Go runs on.
const ticks = 100

// Default are the columns shown when none are asked for.
func Default() []string {
	return []string{"user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"}
}

// process is what a row is made from.
type process struct {
	pid    int
	stat   []string // fields of /proc/pid/stat from the third on
	comm   string
	args   string
	status map[string]string
	uptime float64 // of the machine, in seconds
}

// column is one kind of column: its heading and how to fill it.
type column struct {
	head string
	text func(*process) string
}

// columns gives the kinds by the names that ps and podman have for them.
func columns(name string) (column, bool) {
	switch strings.ToLower(name) {
	case "user", "euser", "uname":
		return column{"USER", func(p *process) string { return userName(p.id("Uid", 1)) }}, true
	case "huser":
		return column{"HUSER", func(p *process) string { return p.id("Uid", 1) }}, true
	case "uid", "euid":
		return column{"UID", func(p *process) string { return p.id("Uid", 1) }}, true
	case "group", "egroup":
		return column{"GROUP", func(p *process) string { return groupName(p.id("Gid", 1)) }}, true
	case "hgroup":
		return column{"HGROUP", func(p *process) string { return p.id("Gid", 1) }}, true
	case "pid":
		return column{"PID", func(p *process) string { return p.inner("NSpid") }}, true
	case "hpid":
		return column{"HPID", func(p *process) string { return strconv.Itoa(p.pid) }}, true
	case "ppid":
		return column{"PPID", (*process).parent}, true
	case "pgid", "pgrp":
		return column{"PGID", func(p *process) string { return p.inner("NSpgid") }}, true
	case "pcpu", "%cpu", "c":
		return column{"%CPU", (*process).cpu}, true
	case "etime", "elapsed":
		return column{"ELAPSED", func(p *process) string { return p.elapsed().String() }}, true
	case "tty", "tt", "tname":
		return column{"TTY", (*process).tty}, true
	case "time", "cputime":
		return column{"TIME", func(p *process) string { return p.cpuTime().String() }}, true
	case "args", "cmd", "command":
		return column{"COMMAND", func(p *process) string { return p.args }}, true
	case "comm", "ucmd", "ucomm":
		return column{"COMMAND", func(p *process) string { return p.comm }}, true
	case "nice", "ni":
		return column{"NI", func(p *process) string { return p.stat[16] }}, true
	case "vsz", "vsize":
		return column{"VSZ", func(p *process) string { return p.kilobytes("VmSize") }}, true
	case "rss":
		return column{"RSS", func(p *process) string { return p.kilobytes("VmRSS") }}, true
	case "state", "s", "stat":
		return column{"STATE", func(p *process) string { return p.stat[0] }}, true
	case "seccomp":
		return column{"SECCOMP", (*process).seccomp}, true
	case "capeff":
		return column{"EFFECTIVE CAPS", func(p *process) string { return p.status["CapEff"] }}, true
	}
	return column{}, false
}

// Rows gives a heading and one row per process that still exists.
func Rows(pids []int, names []string) ([][]string, error) {
	cols := make([]column, len(names))
	rows := [][]string{make([]string, len(names))}
	for i, name := range names {
		c, ok := columns(name)
		if !ok {
			return nil, fmt.Errorf("unknown descriptor %q: use names such as pid, user, args or options of ps such as -ef", name)
		}
		cols[i], rows[0][i] = c, c.head
	}
	for _, pid := range pids {
		p, err := read(pid)
		if errors.Is(err, os.ErrNotExist) {
			continue // it ended since it was listed
		}
		if err != nil {
			return nil, err
		}
		row := make([]string, len(cols))
		for i, c := range cols {
			row[i] = c.text(p)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func read(pid int) (*process, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/"
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return nil, fmt.Errorf("cannot read the status of process %d", pid)
	}
	p := &process{pid: pid, comm: string(stat[open+1 : end]), stat: strings.Fields(string(stat[end+1:])), status: map[string]string{}}
	if len(p.stat) < 22 {
		return nil, fmt.Errorf("cannot read the status of process %d", pid)
	}
	cmdline, _ := os.ReadFile(dir + "cmdline")
	p.args = strings.TrimSpace(string(bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
	if p.args == "" {
		p.args = "[" + p.comm + "]"
	}
	status, _ := os.ReadFile(dir + "status")
	for line := range strings.Lines(string(status)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			p.status[name] = strings.TrimSpace(value)
		}
	}
	up, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(up), " ")
	p.uptime, err = strconv.ParseFloat(first, 64)
	return p, err
}

// id is one of the four ids in a Uid or Gid line: real, effective, saved, file system.
func (p *process) id(name string, which int) string {
	f := strings.Fields(p.status[name])
	if which >= len(f) {
		return "?"
	}
	return f[which]
}

// inner is the id in the innermost namespace, as the container sees it.
func (p *process) inner(name string) string {
	f := strings.Fields(p.status[name])
	if len(f) == 0 {
		return "?"
	}
	return f[len(f)-1]
}

// parent is the parent's id as the process itself sees it: 0 for one that was
// started from outside.
func (p *process) parent() string {
	ppid, err := strconv.Atoi(p.stat[1])
	if err != nil {
		return "?"
	}
	mine := strings.Fields(p.status["NSpid"])
	other, err := read(ppid)
	if err != nil {
		return "0"
	}
	theirs := strings.Fields(other.status["NSpid"])
	if len(theirs) < len(mine) {
		return "0"
	}
	return theirs[len(theirs)-1]
}

func (p *process) number(field int) float64 {
	n, _ := strconv.ParseFloat(p.stat[field], 64)
	return n
}

// cpuTime is user and system time: fields 14 and 15 of stat.
func (p *process) cpuTime() time.Duration {
	return time.Duration((p.number(11)+p.number(12))/ticks*1000) * time.Millisecond
}

// elapsed is the time since the start, which field 22 gives in ticks after boot.
func (p *process) elapsed() time.Duration {
	return time.Duration((p.uptime-p.number(19)/ticks)*1000) * time.Millisecond
}

func (p *process) cpu() string {
	e := p.elapsed().Seconds()
	if e <= 0 {
		return "0.000"
	}
	return strconv.FormatFloat(p.cpuTime().Seconds()/e*100, 'f', 3, 64)
}

// tty is the controlling terminal by its device number, field 7.
func (p *process) tty() string {
	n := int(p.number(4))
	if n == 0 {
		return "?"
	}
	major, minor := n>>8&0xfff, n&0xff|n>>12&0xfff00
	if major >= 136 && major <= 143 {
		return "pts/" + strconv.Itoa(minor+(major-136)<<8)
	}
	return fmt.Sprintf("%d:%d", major, minor)
}

func (p *process) kilobytes(name string) string {
	return strings.TrimSuffix(p.status[name], " kB")
}

func (p *process) seccomp() string {
	switch p.status["Seccomp"] {
	case "0":
		return "disabled"
	case "1":
		return "strict"
	case "2":
		return "filter"
	}
	return "?"
}

func userName(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(id string) string {
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
