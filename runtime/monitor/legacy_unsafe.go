package monitor

import (
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// legacyWatch looks at the legacy tables of iptables, which tell no news: whether the
// chains that the kernel calls have become longer or shorter. What containers add and
// remove is in chains of skiff's.
type legacyWatch struct {
	r      *ruleWatch
	fd     int
	tables []string
	seen   map[string]chainLengths
	timer  *timer
}

// chainLengths are those of the five hooks' chains, in bytes.
type chainLengths [5]uint32

func (l *legacyWatch) begin(r *ruleWatch, fd int) {
	l.r, l.fd = r, fd
	l.remember()
	l.again()
}

func (l *legacyWatch) again() {
	l.timer = l.r.m.loop.after(pollTime, func() {
		l.timer = nil
		for _, name := range l.tables {
			now, ok := lengths(l.fd, name)
			if ok && now != l.seen[name] {
				l.seen[name] = now
				l.r.changed()
			}
		}
		l.again()
	})
}

// remember takes what is there as the state to compare with. A table that is asked
// for by name is made, so only those are that there are.
func (l *legacyWatch) remember() {
	if l.r == nil {
		return
	}
	names, err := os.ReadFile("/proc/net/ip_tables_names")
	if err != nil {
		return
	}
	l.tables, l.seen = strings.Fields(string(names)), map[string]chainLengths{}
	for _, name := range l.tables {
		l.seen[name], _ = lengths(l.fd, name)
	}
}

// getInfo is IPT_SO_GET_INFO of linux/netfilter_ipv4/ip_tables.h.
const getInfo = 64

// tableInfo is struct ipt_getinfo.
type tableInfo struct {
	name       [32]byte
	validHooks uint32
	hookEntry  [5]uint32
	underflow  [5]uint32
	entries    uint32
	size       uint32
}

func lengths(fd int, table string) (out chainLengths, ok bool) {
	var info tableInfo
	copy(info.name[:len(info.name)-1], table)
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_IP, getInfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return out, false
	}
	for i := range out {
		if info.validHooks&(1<<i) != 0 {
			out[i] = info.underflow[i] - info.hookEntry[i]
		}
	}
	return out, true
}
