package seccomp

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// nativeNames gives the native system calls' names by number.
var nativeNames = sync.OnceValue(func() map[int32]string {
	native, err := GetNativeArch()
	if err != nil {
		return nil
	}
	numbers := tableOf(native).numbers()
	out := make(map[int32]string, len(numbers))
	for name, n := range numbers {
		out[n] = name
	}
	return out
})

// namesOf are the names of a system call, or of those in a group; none if there
// is no such call.
func namesOf(call ScmpSyscall, native map[int32]string) []string {
	if call <= firstGroup {
		return groups().names(int(firstGroup - call))
	}
	if i := firstForeign - int(call); call <= firstForeign && i < len(foreign()) {
		return foreign()[i : i+1]
	}
	if name, ok := native[int32(call)]; ok {
		return []string{name}
	}
	return nil
}

// Separator is between the names of a group: several system calls that are
// treated alike, given as one name. libcontainer hands its description of the
// filter down as JSON, and Docker's default profile in it becomes a tenth as
// long, and is read as much faster, with one rule for each group.
const Separator = ","

// firstGroup is the pseudo number of the first group.
const firstGroup = -1_000_000

// groupTable holds the groups that were looked up.
type groupTable struct {
	mu   sync.Mutex
	list [][]string
}

var groups = sync.OnceValue(func() *groupTable { return new(groupTable) })

func (t *groupTable) names(i int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i >= len(t.list) {
		return nil
	}
	return t.list[i]
}

// add gives a group its number. One of its names at least is a system call.
func (t *groupTable) add(text string) (ScmpSyscall, error) {
	names := strings.Split(text, Separator)
	if !slices.ContainsFunc(names, func(name string) bool { _, err := GetSyscallFromName(name); return err == nil }) {
		return 0, fmt.Errorf("there is no system call %q", text)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, names)
	return ScmpSyscall(firstGroup - (len(t.list) - 1)), nil
}

// largest is the largest number in a group on an architecture.
func largest(text string, a ScmpArch) (n ScmpSyscall, err error) {
	found := false
	for name := range strings.SplitSeq(text, Separator) {
		if m, err := GetSyscallFromNameByArch(name, a); err == nil {
			n, found = max(n, m), true
		}
	}
	if !found {
		return 0, fmt.Errorf("there is no system call %q on %v", text, a)
	}
	return n, nil
}

// i386 once had all socket calls in socketcall(2) and all of System V's IPC in
// ipc(2), and programs still use them. The position is the call's number there,
// from 1 on; see linux/net.h and linux/ipc.h.
const (
	socketCalls = "socket bind connect listen accept getsockname getpeername socketpair send recv sendto " +
		"recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg"
	ipcCalls = "semop semget semctl semtimedop - - - - - - msgsnd msgrcv msgget msgctl - - - - - - " +
		"shmat shmdt shmget shmctl"
)

// multiplex is a system call's place behind one of the two.
type multiplex struct{ number, call uint32 }

// multiplexed gives the places by name.
var multiplexed = sync.OnceValue(func() map[string]multiplex {
	out := map[string]multiplex{}
	for i, name := range strings.Fields(socketCalls) {
		out[name] = multiplex{102, uint32(i + 1)}
	}
	for i, name := range strings.Fields(ipcCalls) {
		out[name] = multiplex{117, uint32(i + 1)}
	}
	delete(out, "-")
	return out
})
