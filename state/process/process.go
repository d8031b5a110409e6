// Package process names processes in a way that survives the reuse of process
// ids: by id and start time, and by pidfd for whoever acts on one.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrGone means that the process has ended.
var ErrGone = errors.New("the process has ended")

// StartTime is the process's start in clock ticks after boot.
// proc(5), /proc/pid/stat, field 22.
func StartTime(pid int) (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, ErrGone
	}
	// The command in field 2 may hold spaces and parentheses: count from its end.
	i := bytes.LastIndexByte(b, ')')
	fields := bytes.Fields(b[i+1:])
	if i < 0 || len(fields) < 20 {
		return 0, fmt.Errorf("cannot read the start time of process %d", pid)
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}

// Open gives a pidfd of the process that has this id and this start time, or
// ErrGone. The caller closes it.
func Open(pid int, start uint64) (int, error) {
	if pid <= 0 {
		return -1, ErrGone
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if errors.Is(err, unix.ESRCH) {
			return -1, ErrGone
		}
		return -1, fmt.Errorf("cannot open process %d: %w", pid, err)
	}
	// The pidfd holds the id: if the start time is right now, it was right.
	if got, err := StartTime(pid); err != nil || got != start {
		unix.Close(fd)
		return -1, ErrGone
	}
	return fd, nil
}

// Signal sends a signal to the process that has this id and this start time.
func Signal(pid int, start uint64, sig unix.Signal) error {
	fd, err := Open(pid, start)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return ErrGone
		}
		return fmt.Errorf("cannot signal process %d: %w", pid, err)
	}
	return nil
}
