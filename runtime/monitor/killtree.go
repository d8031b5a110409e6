package monitor

import (
	"bytes"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// treeDepth bounds how far killTree follows a chain of processes, and treeSize
// how many it ends.
const (
	treeDepth = 64
	treeSize  = 4096
)

// killTree kills a program that was started in the container with all that it
// started and that still hangs on it. pid is our child and not reaped, so its
// number is its own; those below it are stopped first, so that none can slip
// away by starting another.
//
// Without CONFIG_PROC_CHILDREN it is the program's process group alone.
func killTree(pid int) {
	if pid <= 0 {
		return
	}
	unix.Kill(pid, unix.SIGSTOP)
	left := treeSize
	killBelow(pid, treeDepth, &left)
	// The exec stage made it the leader of a session: its number names its group
	// for as long as it is not reaped.
	unix.Kill(-pid, unix.SIGKILL)
	unix.Kill(pid, unix.SIGKILL)
}

// killOrphans kills all that hangs on this process once the first process has
// ended: what is left of a container that shares its pid namespace and has no
// cgroup by which to find it.
func killOrphans() {
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
