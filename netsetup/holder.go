package netsetup

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"skiff/state"
)

// holder tells who has a host port, as the end of a sentence: " by container web",
// " by process nginx (pid 123)", or nothing where that cannot be found out. It is for
// errors only.
func (m *Manager) holder(p state.Port) string {
	last := max(p.HostPort, p.HostPortEnd) // of a range none was free
	if name := m.containerAt(last, p.Protocol); name != "" {
		return " by container " + name
	}
	inodes := boundSockets(last, p.Protocol)
	if len(inodes) == 0 {
		return ""
	}
	return socketOwner(inodes)
}

// containerAt is the name of the running container that publishes the port.
func (m *Manager) containerAt(port uint16, proto string) string {
	store, err := state.Open(m.Roots)
	if err != nil {
		return ""
	}
	ids, _ := store.IDs()
	for _, id := range ids {
		if !m.alive(id) {
			continue
		}
		st, err := store.Status(id)
		if err != nil {
			continue
		}
		for _, p := range st.Network.Ports {
			if p.HostPort != port || p.Protocol != proto {
				continue
			}
			if cfg, err := store.Load(id); err == nil && cfg.Name != "" {
				return cfg.Name
			}
			return id[:12]
		}
	}
	return ""
}

// boundSockets are the inodes of the sockets at the port, in this thread's network
// namespace.
func boundSockets(port uint16, proto string) map[string]bool {
	dir, address, inode := "/proc/thread-self/net/", 1, 9 // columns of proc(5)
	files := []string{proto, proto + "6"}
	if proto == "sctp" {
		files, address, inode = []string{"sctp/eps"}, 5, 7
	}
	found := map[string]bool{}
	for _, name := range files {
		f, err := os.Open(dir + name)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			w := strings.Fields(lines.Text())
			if len(w) <= max(address, inode) {
				continue
			}
			text, base := w[address], 10
			if _, hex, ok := strings.Cut(text, ":"); ok {
				text, base = hex, 16
			}
			// A connection's other side is no holder: its inode is 0 once it waits to end.
			if n, err := strconv.ParseUint(text, base, 16); err == nil && uint16(n) == port && w[inode] != "0" {
				found["socket:["+w[inode]+"]"] = true
			}
		}
		f.Close()
	}
	return found
}

// socketOwner finds the process that has one of the sockets open.
func socketOwner(sockets map[string]bool) string {
	dirs, _ := filepath.Glob("/proc/[0-9]*/fd")
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, e := range entries {
			target, err := os.Readlink(filepath.Join(dir, e.Name()))
			if err != nil || !sockets[target] {
				continue
			}
			proc := filepath.Dir(dir)
			name, err := os.ReadFile(filepath.Join(proc, "comm"))
			if err != nil {
				return ""
			}
			return fmt.Sprintf(" by process %s (pid %s)", printable(string(name)), filepath.Base(proc))
		}
	}
	return ""
}

// printable is a process's name without what it may have put there to fool a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
}
