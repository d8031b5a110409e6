package rootless

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// marker is the environment variable by which programs that Start started know
// where they are; its value is the user's id outside.
const marker = "SKIFF_USER_NAMESPACE"

// UID is the user's real id, outside of the user namespace that Start made.
func UID() int {
	if uid, ok := outside(os.Getenv(marker), "/proc/self/uid_map"); ok {
		return uid
	}
	return os.Getuid()
}

// Inside reports that this process is root in a user namespace made by Start.
// The environment alone does not count: a container could have inherited it.
func Inside() bool {
	_, ok := outside(os.Getenv(marker), "/proc/self/uid_map")
	return ok && os.Geteuid() == 0
}

// Needed reports that this process has to start others in a user namespace to
// do what takes root.
func Needed() bool { return os.Geteuid() != 0 }

func outside(marked, mapFile string) (uid int, ok bool) {
	if marked == "" {
		return 0, false
	}
	data, err := os.ReadFile(mapFile)
	if err != nil {
		return 0, false
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	var in, out, size uint32
	if n, _ := fmt.Sscan(string(line), &in, &out, &size); n != 3 || in != 0 || size != 1 {
		return 0, false
	}
	return int(out), fmt.Sprint(out) == marked
}

// withMarker is env with the marker for uid, in place of any other.
func withMarker(env []string, uid int) []string {
	out := make([]string, 0, len(env)+1)
	for _, e := range env {
		if !strings.HasPrefix(e, marker+"=") {
			out = append(out, e)
		}
	}
	return append(out, fmt.Sprint(marker, "=", uid))
}
