package health

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"

	"skiff/state/jsonfile"
)

// Exiting says that a container's first process is at its end, or gone. The kernel
// ends all other processes of its pid namespace before it reports that, so their
// ends come first.
func Exiting(pid int) bool {
	if pid <= 0 {
		return true
	}
	data, err := jsonfile.ReadAt(unix.AT_FDCWD, "/proc/"+strconv.Itoa(pid)+"/stat", nil)
	if err != nil {
		return true
	}
	rest := data[bytes.LastIndexByte(data, ')')+1:] // its name may hold anything
	const flagsField, exitingFlag = 9, 0x4          // proc_pid_stat(5), the name is field 2; PF_EXITING, include/linux/sched.h
	for range flagsField - 2 {
		_, rest, _ = bytes.Cut(rest, []byte(" "))
	}
	field, _, _ := bytes.Cut(rest, []byte(" "))
	flags, err := strconv.ParseUint(string(field), 10, 64)
	return err == nil && flags&exitingFlag != 0
}
