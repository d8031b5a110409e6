package rootless

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// NewNamespace makes a user namespace below the caller's, who is root there, with
// the given maps. It lives as long as the file is open or somebody is in it.
//
// Postconditions:
//   - nothing runs in it
func NewNamespace(m state.IDMaps) (ns *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // a traced process is its thread's
		defer runtime.UnlockOSThread()
		ns, err = newNamespace(m)
	}()
	<-done
	if err != nil {
		return nil, fmt.Errorf("cannot make the container's user namespace: %w", err)
	}
	return ns, nil
}

// newNamespace starts this program in the namespace, where it is stopped before
// its first instruction and then killed: a namespace begins with a process.
func newNamespace(m state.IDMaps) (*os.File, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	attr := &os.ProcAttr{Files: []*os.File{null, null, null}, Sys: &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER,
		UidMappings:                sysMap(m.UIDs),
		GidMappings:                sysMap(m.GIDs),
		GidMappingsEnableSetgroups: true,
		Ptrace:                     true,
	}}
	p, err := os.StartProcess("/proc/self/exe", []string{"namespace"}, attr)
	if err != nil {
		return nil, explainMaps(err)
	}
	defer p.Wait()
	defer p.Kill()
	if err := waitStopped(p.Pid); err != nil {
		return nil, err
	}
	return os.Open("/proc/" + strconv.Itoa(p.Pid) + "/ns/user")
}

func explainMaps(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("the kernel refuses its maps: %w", explainClone("/proc/self/exe", err))
	}
	return explainClone("/proc/self/exe", err)
}

func sysMap(m []state.IDRange) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, 0, len(m))
	for _, r := range m {
		out = append(out, syscall.SysProcIDMap{ContainerID: int(r.Inside), HostID: int(r.Outside), Size: int(r.Size)})
	}
	return out
}

// Subordinate gives the ranges that /etc/subuid and /etc/subgid give to a user's
// name or number; Inside says nothing.
func Subordinate(name string) (uids, gids []Range, err error) {
	if uids, err = readRanges(subUIDFile, name, -1); err != nil {
		return nil, nil, err
	}
	gids, err = readRanges(subGIDFile, name, -1)
	return uids, gids, err
}
