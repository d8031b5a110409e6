package script

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// runcAlone are the options of masked directories, which runc of a version ago
// does not set, and the paths that differ between two containers.
var runcAlone = regexp.MustCompile(`,size=4k,nr_inodes=1|/[0-9a-f]{64}/|[0-9a-f]{64}`)

// cmdMounts runs a container by skiff's own means and one by runc and compares
// the mount tables, and what is in /dev.
func cmdMounts(ts *testscript.TestScript, neg bool, args []string) {
	const script = `grep -v ^overlay /proc/mounts; cd /dev; for f in *; do stat -c '%n %A %u:%g %t:%T' $f; done; ` +
		`for d in /tmp /t /s /a /b /deep; do test -e $d && stat -c '%n %A' $d; done; true`
	table := func(engine ...string) []string {
		run := append(append(engine, "run", "--rm"), args...)
		if !slices.Contains(args, "--network") {
			run = append(run, "--network", "none")
		}
		ts.Check(ts.Exec("skiff", append(run, "busybox", "sh", "-c", script)...))
		lines := strings.Split(runcAlone.ReplaceAllString(ts.ReadFile("stdout"), ""), "\n")
		slices.Sort(lines)
		// runc makes the directory of v1's hierarchies read-only by a second mount on
		// it, with all that is below.
		const list = "tmpfs /sys/fs/cgroup tmpfs %s,nosuid,nodev,noexec,relatime,mode=755 0 0"
		if slices.Contains(lines, fmt.Sprintf(list, "ro")) {
			lines = slices.DeleteFunc(lines, func(l string) bool { return l == fmt.Sprintf(list, "rw") })
		}
		return slices.Compact(lines)
	}
	own, foreign := table(), table("--runtime", "runc")
	for _, l := range own {
		if !slices.Contains(foreign, l) {
			ts.Logf("skiff alone: %s", l)
		}
	}
	for _, l := range foreign {
		if !slices.Contains(own, l) {
			ts.Logf("runc alone:  %s", l)
		}
	}
	if slices.Equal(own, foreign) == neg {
		ts.Fatalf("the mounts of %q differ from runc's", args)
	}
}
