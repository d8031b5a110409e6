// Package leaks finds what a test's containers left on the machine: processes,
// cgroups, mounts, links, rules, files. A test has a top directory of its own
// with the roots data and run in it and, as root, its own network namespace, and
// runs the program that the environment variable SKIFF names.
package leaks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long what the kernel takes away after the last process is
// gone (namespaces and the links in them) may take.
const patience = 5 * time.Second

// Containers are the ids of the containers below a test's top directory.
func Containers(top string) (ids []string) {
	known, _ := filepath.Glob(filepath.Join(top, "data/containers/*"))
	for _, path := range known {
		ids = append(ids, filepath.Base(path))
	}
	return ids
}

// Left gives what is left of the test with these containers, one line each,
// after all of them were removed.
func Left(top string, ids []string) (left []string) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if left = leftovers(ids, top); len(left) == 0 {
			return nil
		}
	}
	return left
}

// Kill ends what a failed test left running.
func Kill(top string) {
	for range 50 {
		left := processes(top)
		if len(left) == 0 {
			return
		}
		for _, p := range left {
			p.kill()
			p.close()
		}
	}
}

// leftovers lists what is left, one line each.
func leftovers(ids []string, top string) []string {
	var left []string
	for _, p := range processes(top) {
		left = append(left, "process "+p.String())
		p.close()
	}
	left = append(left, cgroups(ids, top+"/data")...)
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], top+"/") {
			left = append(left, "mount "+f[4])
		}
	}
	left = append(left, files(top)...)
	if os.Geteuid() == 0 {
		left = append(left, network()...)
	}
	return left
}

// network lists links but lo and firewall rules, of the script's own namespace.
func network() []string {
	var left []string
	out, err := exec.Command("ip", "-o", "link").Output()
	if err != nil {
		return []string{"ip link: " + err.Error()}
	}
	for line := range strings.Lines(string(out)) {
		if name := strings.Fields(line)[1]; name != "lo:" {
			left = append(left, "link "+name)
		}
	}
	if _, err := exec.LookPath("nft"); err != nil {
		return left
	}
	out, err = exec.Command("nft", "list", "ruleset").Output()
	if err == nil && len(strings.TrimSpace(string(out))) > 0 {
		left = append(left, "rules "+string(out))
	}
	return left
}

// mayStay are the files below the roots that outlive the containers: images, what
// builds remember, programs and locks that nobody holds.
const mayStay = `^(data/(images|storage|programs|volumes|builds/(steps|results|contexts|downloads|mounts|boot))(/|$)|data/events/events\.log$|data/networks/bridge\.json$|run/(storage|images)(/|$)|.*lock$)`

// files lists what is left below the two roots.
func files(top string) []string {
	var left []string
	stays := regexp.MustCompile(mayStay)
	for _, root := range []string{"data", "run"} {
		err := filepath.WalkDir(filepath.Join(top, root), func(path string, d fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(top, path)
			switch {
			case err != nil:
				return nil // it went away, or belongs to a user namespace
			case stays.MatchString(rel) && d.IsDir():
				return fs.SkipDir
			case d.IsDir() && (perContainer(rel) || perBuild(rel)):
				left = append(left, "directory "+rel)
			case !d.IsDir() && !stays.MatchString(rel):
				left = append(left, "file "+rel)
			}
			return nil
		})
		if err != nil {
			left = append(left, err.Error())
		}
	}
	return left
}

// perBuild reports whether a directory belongs to a build under way.
func perBuild(rel string) bool {
	dir := filepath.Dir(rel)
	return dir == "data/builds/work" || dir == "data/builds/containers" || dir == "run/builds"
}

// perContainer reports whether a directory's name is a container's.
func perContainer(rel string) bool { return hasID(filepath.Base(rel)) }

// hasID reports whether 64 hex digits follow each other in a name.
func hasID(name string) bool {
	run := 0
	for _, r := range name {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			run = 0
		} else if run++; run == 64 {
			return true
		}
	}
	return false
}

// cgroups lists cgroups of the script's containers: those that carry the short
// hash of its data root (docs/architecture.md) or one of the containers' ids.
func cgroups(ids []string, root string) []string {
	sum := sha256.Sum256([]byte(root))
	marks := append([]string{"skiff-" + hex.EncodeToString(sum[:4])}, ids...)
	var left []string
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		for _, m := range marks {
			if strings.Contains(d.Name(), m) {
				left = append(left, "cgroup "+path)
				return fs.SkipDir
			}
		}
		return nil
	})
	return left
}

// process is one that has to do with a script.
type process struct {
	pid   int
	fd    int // pidfd
	shown string
}

func (p process) String() string { return fmt.Sprintf("%d %s", p.pid, p.shown) }

func (p process) kill() { unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0) }

func (p process) close() { unix.Close(p.fd) }

// processes finds those of a script: they run a program from below its
// directory, or skiff with its roots, or live in a mount namespace of their own
// that has an overlay made from it. A process in this namespace is never taken
// for a container's, whatever is mounted here.
func processes(top string) []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	here, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return nil
	}
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		// Looked at after the descriptor was opened: it is this process or none.
		if shown := ofScript("/proc/"+e.Name(), top, here); shown != "" {
			found = append(found, process{pid: pid, fd: fd, shown: shown})
		} else {
			unix.Close(fd)
		}
	}
	return found
}

// ofScript describes a process of the script; empty for others.
func ofScript(dir, top, here string) string {
	exe, _ := os.Readlink(dir + "/exe")
	data, _ := os.ReadFile(dir + "/cmdline")
	cmdline := strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))
	shown := exe + ": " + cmdline
	switch {
	case strings.HasPrefix(exe, top+"/"):
		return shown
	case exe == os.Getenv("SKIFF") && strings.Contains(cmdline, "--root "+top+"/"):
		return shown
	}
	namespace, err := os.Readlink(dir + "/ns/mnt")
	if err != nil || namespace == here {
		return ""
	}
	mounts, _ := os.ReadFile(dir + "/mountinfo")
	if strings.Contains(overlays(string(mounts)), top+"/data/") {
		return shown
	}
	return ""
}

// overlays gives the lines of a mountinfo that are overlay mounts.
func overlays(mounts string) string {
	var b strings.Builder
	for line := range strings.Lines(mounts) {
		if strings.Contains(line, " - overlay ") {
			b.WriteString(line)
		}
	}
	return b.String()
}
