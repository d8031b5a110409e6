// Package proctree ends processes with all that they started.
//
// Not here: whose they are, and processes by their cgroup, which is teardown's.
package proctree

import (
	"bytes"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// treeDepth bounds how far a chain of processes is followed, and treeSize how many
// are ended.
const (
	treeDepth = 64
	treeSize  = 4096
)

// Kill kills a child of this process, which is not reaped, with all that it started
// and that still hangs on it. As the child is not reaped, its number is its own;
// those below it are stopped first, so that none can slip away by starting another.
//
// Without CONFIG_PROC_CHILDREN it is the process and its group alone.
func Kill(pid int) {
	if pid <= 0 {
		return
	}
	unix.Kill(pid, unix.SIGSTOP)
	left := treeSize
	killBelow(pid, treeDepth, &left)
	// A child of its child may just have made its own child that of pid
	// (CLONE_PARENT), as runc's way into a container does.
	killBelow(pid, treeDepth, &left)
	// Where it is the leader of a group, as what exec starts, its number names the
	// group for as long as it is not reaped.
	unix.Kill(-pid, unix.SIGKILL)
	unix.Kill(pid, unix.SIGKILL)
}

// KillChildren kills all that hangs on this process.
func KillChildren() {
	left := treeSize
	killBelow(os.Getpid(), treeDepth, &left)
}

func killBelow(pid, depth int, left *int) {
	if depth == 0 {
		return
	}
	for _, child := range childrenOf(pid) {
		if *left--; *left < 0 {
			return
		}
		fd, err := unix.PidfdOpen(child, 0)
		if err != nil {
			continue
		}
		// Only if it is still a child the descriptor is of the process meant.
		if slices.Contains(childrenOf(pid), child) {
			unix.PidfdSendSignal(fd, unix.SIGSTOP, nil, 0)
			killBelow(child, depth-1, left)
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		unix.Close(fd)
	}
}

// childrenOf reads the children of all threads of a process.
func childrenOf(pid int) (children []int) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, t := range tasks {
		data, err := os.ReadFile(dir + "/" + t.Name() + "/children")
		if err != nil {
			continue
		}
		for _, f := range bytes.Fields(data) {
			if n, err := strconv.Atoi(string(f)); err == nil {
				children = append(children, n)
			}
		}
	}
	return children
}
