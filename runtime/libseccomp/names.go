package seccomp

import (
	"slices"
	"strings"
)

// nativeNames gives the native system calls' names by number.
func nativeNames() map[int32]string {
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
}

// nameOf is the name of a system call, empty if there is none.
func nameOf(call ScmpSyscall, native map[int32]string) string {
	if i := firstForeign - int(call); call <= firstForeign && i < len(foreign()) {
		return foreign()[i]
	}
	return native[int32(call)]
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

// multiplexed says which number and first argument i386 also has for a system
// call.
func multiplexed(name string) (number uint32, call int, ok bool) {
	if i := slices.Index(strings.Fields(socketCalls), name); i >= 0 {
		return 102, i + 1, true
	}
	if i := slices.Index(strings.Fields(ipcCalls), name); i >= 0 && name != "-" {
		return 117, i + 1, true
	}
	return 0, 0, false
}
