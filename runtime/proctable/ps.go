package proctable

import (
	"os"
	"strconv"
)

// Inside puts the container's numbers in the place of the host's in rows of ps's
// output, head being its headings and at the column of the process's id. It leaves
// out processes that have ended since.
func Inside(head []string, rows [][]string, at int, view View) [][]string {
	view.complete()
	var out [][]string
	for _, row := range rows {
		pid, err := strconv.Atoi(row[at])
		if err != nil {
			continue
		}
		p, err := read(pid)
		if err != nil {
			continue
		}
		p.view = &view
		for i := range min(len(head), len(row)) {
			row[i] = p.translated(head[i], row[i])
		}
		out = append(out, row)
	}
	return out
}

// translated is a cell of ps for the container, by the headings of ps(1).
func (p *process) translated(head, cell string) string {
	switch head {
	case "PID", "TGID":
		return p.inner("NSpid")
	case "PPID":
		return p.parent()
	case "PGID", "PGRP":
		return p.inner("NSpgid")
	case "SID", "SESS", "SESSION":
		return p.inner("NSsid")
	case "TPGID":
		return p.other(cell, "/proc/"+cell+"/status")
	case "LWP", "SPID", "TID":
		return p.other(cell, "/proc/"+strconv.Itoa(p.pid)+"/task/"+cell+"/status")
	}
	return cell
}

// other is the container's number for another process or a thread, of which path
// is the status; -1 is none.
func (p *process) other(id, path string) string {
	n, err := strconv.Atoi(id)
	if err != nil || n <= 0 {
		return id
	}
	status, err := os.ReadFile(path)
	if err != nil {
		return "0"
	}
	return innerID(fields(status)["NSpid"], p.view.level)
}
