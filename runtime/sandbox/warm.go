package sandbox

// extern int skiff_warmer; // warm.c
import "C"

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"
)

// Warm shortens a Create that follows within a few milliseconds, and is called
// as early as it is known that one will. It does not wait.
//
// The first process to be moved between cgroups makes the kernel wait for all
// processors to pass a quiet state (cgroup_threadgroup_rwsem, an RCU grace
// period): about six milliseconds in which nothing is computed. Whoever moves
// another one shortly afterwards does not wait. So this process moves itself to
// where it is already, while there is other work to do. For a command line that
// begins a process a child does that before Go's runtime is there (warm.c), and
// is only to be reaped.
//
// And package os finds out with a first child of its own, one that ends at once,
// what it can start children with.
func Warm() {
	if child := int(C.skiff_warmer); child > 0 {
		go unix.Wait4(child, nil, unix.WALL, nil)
	} else {
		go warm()
	}
	go os.FindProcess(os.Getpid())
}

// WarmCodec has encoding/json learn the types of libcontainer's records, half a
// millisecond's work that Create would do while everybody waits for it.
func WarmCodec() { json.Marshal(new(libcontainer.State)) }

func warm() {
	dir := ownCgroup()
	if dir == "" {
		return
	}
	f, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
	if err != nil {
		return // an ordinary user's process: Create cannot be helped
	}
	defer f.Close()
	_, _ = f.WriteString("0") // even a refusal comes after the wait
}

// ownCgroup is the directory of this process's cgroup in the one hierarchy, or
// in the one that has no controllers and so no side effects.
func ownCgroup() string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch f[1] {
		case "name=systemd":
			return filepath.Join("/sys/fs/cgroup/systemd", f[2])
		case "":
			return filepath.Join("/sys/fs/cgroup", f[2])
		}
	}
	return ""
}
