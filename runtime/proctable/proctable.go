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
	"strconv"
	"strings"
	"time"
	"unicode"
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
	view   *View
}

// View is how a container sees its processes.
type View struct {
	// First is the host's id of the container's first process, whose namespaces
	// count: a process may be in further ones that the container made.
	First int
	// Users and Groups are the container's names; an id without one is shown as a
	// number.
	Users, Groups map[uint32]string

	level      int // of the container's process namespace below ours, from 1 on
	uids, gids []idMap
}

// complete finds out which namespaces the first process is in.
func (v *View) complete() {
	dir := "/proc/" + strconv.Itoa(v.First) + "/"
	status, _ := os.ReadFile(dir + "status")
	v.level = len(strings.Fields(fields(status)["NSpid"]))
	if b, err := os.ReadFile(dir + "uid_map"); err == nil {
		v.uids = parseIDMap(string(b))
	}
	if b, err := os.ReadFile(dir + "gid_map"); err == nil {
		v.gids = parseIDMap(string(b))
	}
}

// Known says whether all of these are names of columns.
func Known(names []string) bool {
	for _, name := range names {
		if _, ok := columnOf(name); !ok {
			return false
		}
	}
	return true
}

// Rows gives a heading and one row per process that still exists.
func Rows(pids []int, names []string, view View) ([][]string, error) {
	view.complete()
	cols := make([]column, len(names))
	rows := [][]string{make([]string, len(names))}
	for i, name := range names {
		c, ok := columnOf(name)
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
		p.view = &view
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
	p := &process{pid: pid, comm: printable(string(stat[open+1 : end])), stat: strings.Fields(string(stat[end+1:]))}
	if len(p.stat) < 22 {
		return nil, fmt.Errorf("cannot read the status of process %d", pid)
	}
	cmdline, _ := os.ReadFile(dir + "cmdline")
	p.args = printable(strings.TrimSpace(string(bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '}))))
	if p.args == "" {
		p.args = "[" + p.comm + "]"
	}
	status, _ := os.ReadFile(dir + "status")
	p.status = fields(status)
	up, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(up), " ")
	p.uptime, err = strconv.ParseFloat(first, 64)
	return p, err
}

// fields are the lines of proc_pid_status(5) by their names.
func fields(status []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(status)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}

// inner is an id as the container sees it; 0, as the kernel has it, for what is
// outside of the container's namespace.
func (p *process) inner(name string) string {
	return innerID(p.status[name], p.view.level)
}

// innerID picks the id at a level from the ids in all nested namespaces.
func innerID(ids string, level int) string {
	f := strings.Fields(ids)
	switch {
	case level < 1:
		return "?"
	case level > len(f):
		return "0"
	}
	return f[level-1]
}

// parent is the parent's id as the process itself sees it: 0 for one that was
// started from outside.
func (p *process) parent() string {
	ppid, err := strconv.Atoi(p.stat[1])
	if err != nil {
		return "?"
	}
	other, err := os.ReadFile("/proc/" + strconv.Itoa(ppid) + "/status")
	if err != nil {
		return "0"
	}
	return innerID(fields(other)["NSpid"], p.view.level)
}

// printable keeps what a process calls itself to one line and from speaking to
// the reader's terminal, as ps does.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
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

// kilobytes is a size; 0 for a thread of the kernel or a process that has ended.
func (p *process) kilobytes(name string) string {
	if p.status[name] == "" {
		return "0"
	}
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

// label is what a security module calls the process; "?" without one.
func (p *process) label() string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/attr/current")
	text := strings.Trim(string(b), "\n\x00")
	if err != nil || text == "" {
		return "?"
	}
	return text
}
