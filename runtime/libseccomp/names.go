package seccomp

import (
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
