package proctable

import (
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Which of the four ids of a Uid or Gid line in proc_pid_status(5).
const (
	real      = 0
	effective = 1
)

// idMap is one line of a user_namespaces(7) map, read from outside: so many ids
// from inside on are the host's from outside on.
type idMap struct{ inside, outside, size uint64 }

// parseIDMap reads a uid_map or gid_map; lines that are none are left out.
func parseIDMap(text string) []idMap {
	var out []idMap
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		var n [3]uint64
		ok := true
		for i := range f {
			v, err := strconv.ParseUint(f[i], 10, 32)
			n[i], ok = v, ok && err == nil
		}
		if ok {
			out = append(out, idMap{n[0], n[1], n[2]})
		}
	}
	return out
}

// toInside is the container's number for a host's id; the host's own where the
// container has none.
func toInside(maps []idMap, id string) string {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return id
	}
	for _, m := range maps {
		if n >= m.outside && n-m.outside < m.size {
			return strconv.FormatUint(m.inside+n-m.outside, 10)
		}
	}
	return id
}

// id is one of the ids in a Uid or Gid line, the host's number.
func (p *process) id(field string, which int) string {
	f := strings.Fields(p.status[field])
	if which >= len(f) {
		return "?"
	}
	return f[which]
}

func (p *process) uid(which int) string { return toInside(p.view.uids, p.id("Uid", which)) }

func (p *process) user(which int) string { return named(p.view.Users, p.uid(which)) }

func (p *process) group(which int) string {
	return named(p.view.Groups, toInside(p.view.gids, p.id("Gid", which)))
}

func (p *process) groups() string {
	out := strings.Fields(p.status["Groups"])
	for i := range out {
		out[i] = named(p.view.Groups, toInside(p.view.gids, out[i]))
	}
	return strings.Join(out, ",")
}

// named is the name for an id, or the id.
func named(names map[uint32]string, id string) string {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || names[uint32(n)] == "" {
		return id
	}
	return names[uint32(n)]
}

func hostUser(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func hostGroup(id string) string {
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

// capabilityNames are those of linux/capability.h in the order of their bits.
const capabilityNames = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE" +
	" NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE" +
	" SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL" +
	" SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"

// capabilities are the names in a hexadecimal set of proc_pid_status(5), sorted;
// "full" for all and "none" for no capability. Bits without a name here, of a
// newer kernel, are given by their numbers.
func capabilities(hex string) string {
	set, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return "?"
	}
	names := strings.Fields(capabilityNames)
	all := uint64(1)<<len(names) - 1
	switch {
	case set == 0:
		return "none"
	case set&all == all:
		return "full"
	}
	var out []string
	for bit := range 64 {
		switch {
		case set>>bit&1 == 0:
		case bit < len(names):
			out = append(out, names[bit])
		default:
			out = append(out, "CAP_"+strconv.Itoa(bit))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
