package teardown

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// killWait bounds how long Kill waits for processes to go; one that the
	// kernel holds (a dead network file system) may stay for ever.
	killWait = 10 * time.Second
	// removeWait bounds how long an empty cgroup may stay busy.
	removeWait = 2 * time.Second
	// managerWait is how long systemd may take to remove the cgroup of a scope.
	managerWait = time.Second
)

// own keeps the directories that were made for one container: those whose name
// has a container's id in it. A record that names any other cgroup is wrong, and
// to believe it would be to kill processes that are none of the container's.
func own(cgroups []string) (out []string) {
	for _, dir := range cgroups {
		if filepath.IsAbs(dir) && hasID(filepath.Base(dir)) {
			out = append(out, dir)
		}
	}
	return out
}

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

// Kill ends every process in the cgroups and those below them and waits until
// they are gone. A cgroup that is not there is no error.
func Kill(cgroups []string) error {
	cgroups = own(cgroups)
	deadline := time.Now().Add(killWait)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left := 0
		for _, dir := range cgroups {
			left += killOnce(dir)
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cannot end %d processes in %s", left, cgroups[0])
		}
		time.Sleep(pause)
	}
}

// killOnce sends SIGKILL to everything below dir and returns how many processes
// were found.
func killOnce(dir string) (found int) {
	dirs := tree(dir)
	for _, d := range dirs {
		pids := processes(d)
		if len(pids) == 0 {
			continue
		}
		found += len(pids)
		if write(filepath.Join(dir, "cgroup.kill"), "1") {
			return found // cgroup v2: all of it at once, atomically
		}
		for _, pid := range pids {
			killMember(d, pid)
		}
		thaw(d)
	}
	return found
}

// killMember kills a process that was seen in the cgroup. The pidfd is opened
// first and the membership checked after, so that a recycled number is never
// signalled.
func killMember(dir string, pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	for _, p := range processes(dir) {
		if p == pid {
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			return
		}
	}
}

// Thaw lets the cgroups run if they are frozen.
func Thaw(cgroups []string) {
	for _, dir := range cgroups {
		thaw(dir)
	}
}

// thaw lets a frozen cgroup run, as its processes cannot die otherwise.
func thaw(dir string) {
	write(filepath.Join(dir, "freezer.state"), "THAWED")
	write(filepath.Join(dir, "cgroup.freeze"), "0")
}

// write writes to a file that exists and reports whether it could.
func write(path, text string) bool {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	_, err = f.WriteString(text)
	f.Close()
	return err == nil
}

// processes lists a cgroup's own members that are visible here.
func processes(dir string) (pids []int) {
	fd, err := unix.Open(filepath.Join(dir, "cgroup.procs"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var text []byte
	for buf := make([]byte, 4096); ; {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 || err != nil {
			break
		}
		text = append(text, buf[:n]...)
	}
	for _, f := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// tree lists dir and the cgroups below it, parents first.
func tree(dir string) []string {
	dirs := []string{dir}
	for i := 0; i < len(dirs); i++ {
		if childless(dirs[i]) {
			continue
		}
		entries, err := os.ReadDir(dirs[i])
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() {
				dirs = append(dirs, filepath.Join(dirs[i], e.Name()))
			}
		}
	}
	return dirs
}

// childless reports that the kernel counts no directory in a cgroup's, which
// saves reading the names of its dozens of files.
func childless(dir string) bool {
	var st unix.Stat_t
	return unix.Lstat(dir, &st) == nil && st.Nlink == 2
}

// emptyCgroups removes the cgroups. A cgroup that can be removed at once had
// nothing in it, as is the rule at this point; only of the others the processes
// are looked for and ended. A scope's is systemd's to remove.
func emptyCgroups(cgroups []string) error {
	var busy []string
	for _, dir := range own(cgroups) {
		if isScope(dir) {
			busy = append(busy, dir)
		} else if err := unix.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			busy = append(busy, dir)
		}
	}
	if len(busy) == 0 {
		return nil
	}
	return errors.Join(Kill(busy), removeCgroups(busy))
}

// removeCgroups removes the cgroups with those below them, deepest first.
func removeCgroups(cgroups []string) error {
	var errs []error
	for _, dir := range own(cgroups) {
		errs = append(errs, removeCgroup(dir))
	}
	return errors.Join(errs...)
}

func removeCgroup(dir string) error {
	deadline := time.Now().Add(removeWait)
	leftToManager(dir)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		dirs := tree(dir)
		for i := len(dirs) - 1; i > 0; i-- {
			unix.Rmdir(dirs[i])
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cannot remove cgroup %s: %v", dir, err)
		}
		if len(dirs) == 1 {
			time.Sleep(pause)
		}
	}
}

// leftToManager waits for systemd to remove the cgroup of a scope. systemd takes
// the scope for ended when the kernel tells it that the cgroup has become empty.
// That message comes a moment later, and not at all once the cgroup is removed:
// the scope would stay for ever.
func leftToManager(dir string) {
	events := filepath.Join(dir, "cgroup.events") // of cgroup v2, through which it learns it
	if !isScope(dir) {
		return
	}
	deadline := time.Now().Add(managerWait)
	for pause := time.Millisecond; time.Now().Before(deadline); pause = min(2*pause, 20*time.Millisecond) {
		if _, err := os.Lstat(events); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// isScope says whether systemd made the cgroup.
func isScope(dir string) bool { return strings.HasSuffix(dir, ".scope") }
