package hostfacts

import "golang.org/x/sys/unix"

// Rlimit is a resource limit in the kernel's units; Infinity is no limit.
type Rlimit struct {
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// Infinity is RLIM_INFINITY.
const Infinity = ^uint64(0)

// RlimitNames are the names that ulimits have, in the kernel's order: the index
// is the number of the limit. See getrlimit(2).
func RlimitNames() []string {
	return []string{
		"cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile",
		"memlock", "as", "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime",
	}
}

// Rlimits are this process's limits by name.
func (h *Host) Rlimits() map[string]Rlimit {
	out := make(map[string]Rlimit, 16)
	for i, name := range RlimitNames() {
		var l unix.Rlimit
		// prlimit and not getrlimit: the latter is served by the Go runtime's
		// bookkeeping of RLIMIT_NOFILE in places.
		if unix.Prlimit(0, i, nil, &l) == nil {
			out[name] = Rlimit{Soft: l.Cur, Hard: l.Max}
		}
	}
	return out
}

// capabilityNames gives the names of the capabilities in a mask, in the
// kernel's order. See capabilities(7).
func capabilityNames(mask uint64) []string {
	var out []string
	for i, name := range AllCapabilities() {
		if mask&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// AllCapabilities are all that Linux has; the index is the capability's number.
func AllCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",
		"CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
		"CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
		"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
		"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
		"CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
		"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
		"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP",
		"CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
		"CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
		"CAP_CHECKPOINT_RESTORE",
	}
}
