package program

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
)

// oldAge is how long a program of another version is left alone: two versions
// that are used in turns do not unpack themselves at each command.
const oldAge = 24 * time.Hour

// errUntrusted: somebody else could put another program in place of ours.
var errUntrusted = errors.New("another user can change it")

func (p packed) path(roots dirs.Roots) (string, error) {
	path, err := p.file(roots)
	if err == nil && !noexec(path) {
		return path, nil
	}
	if err != nil && !errors.Is(err, errUntrusted) && !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EACCES) {
		return "", p.failed(err)
	}
	path, err = p.memory()
	if err != nil {
		return "", p.failed(err)
	}
	return path, nil
}

func noexec(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}

// file gives the unpacked copy, making it where needed.
func (p packed) file(roots dirs.Roots) (string, error) {
	path := filepath.Join(roots.Programs(), p.name+"-"+p.hash[:16])
	err := p.check(path)
	if err == nil || errors.Is(err, errUntrusted) {
		return path, err
	}
	if err := os.MkdirAll(roots.Programs(), 0o711); err != nil {
		return "", err
	}
	if err := checkChain(roots.Programs()); err != nil {
		return "", err
	}
	if err := p.unpack(path); err != nil {
		return "", err
	}
	p.removeOld(roots.Programs(), time.Now())
	return path, p.check(path)
}

// check makes sure that path is what unpack made, without reading it: a whole
// file of ours that nobody else can change or replace.
func (p packed) check(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if err := checkChain(filepath.Dir(path)); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 || st.Size != p.size || st.Mode&0o500 != 0o500 {
		return fmt.Errorf("%s is not as it was unpacked", path)
	}
	return nil
}

// checkChain makes sure that dir is ours and that no other user can rename
// anything on the way to it.
func checkChain(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	euid := uint32(os.Geteuid())
	for path := real; ; path = filepath.Dir(path) {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &os.PathError{Op: "stat", Path: path, Err: err}
		}
		if !trusted(st, euid, uint32(os.Getegid())) || path == real && st.Uid != euid {
			return fmt.Errorf("%s: %w", path, errUntrusted)
		}
		if path == "/" || path == "." {
			return nil
		}
	}
}

// overflowID is how root of the machine looks from within a user namespace.
const overflowID = 65534

// trusted reports that only the user and root can rename what is in the
// directory. In a sticky directory the owner of each entry decides, and the
// entries on the way are looked at too.
func trusted(st unix.Stat_t, euid, egid uint32) bool {
	outer := st.Uid == overflowID && euid == 0
	if st.Uid != euid && st.Uid != 0 && !outer {
		return false
	}
	if st.Mode&unix.S_ISVTX != 0 {
		return true
	}
	// Where each user has a group of the same number, that group is the user.
	ownGroup := euid != 0 && st.Gid == egid && egid == euid
	return st.Mode&0o002 == 0 && (st.Mode&0o020 == 0 || ownGroup)
}

// unpack makes path in one step: it is whole or not there.
func (p packed) unpack(path string) (err error) {
	// Several may be at it, also in one process. What a killed one leaves goes with
	// the old versions. No process may be forked meanwhile: with a copy of the
	// descriptor it would keep the program from being executed (ETXTBSY).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp")
	if err != nil {
		return err
	}
	tmp := f.Name()
	defer func() {
		if err != nil {
			os.Remove(tmp)
		}
	}()
	err = p.copyTo(f)
	if err == nil {
		err = f.Chmod(0o555)
	}
	if err == nil {
		err = unix.Fdatasync(int(f.Fd())) // once per version
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// copyTo writes the program's content and checks that it is what was built.
func (p packed) copyTo(w io.Writer) error {
	in, err := p.data.Open(p.embeddedName())
	if err != nil {
		return err
	}
	defer in.Close()
	var r io.Reader = in
	if p.gzip {
		if r, err = gzip.NewReader(in); err != nil {
			return err
		}
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, sum), r); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.hash {
		return fmt.Errorf("its sha256 is %s instead of %s: build skiff anew", got, p.hash)
	}
	return nil
}

// removeOld removes this program's other versions. Processes that run from them
// keep them, as the kernel removes a file's content with its last user.
func (p packed) removeOld(dir string, now time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), p.name+"-")
		if !ok || rest == p.hash[:16] {
			continue
		}
		if st, err := e.Info(); err == nil && now.Sub(st.ModTime()) > oldAge {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// aboveFiles is the lowest number for the descriptor of a copy in memory: a
// child's own descriptors are put in place before it is executed and must not
// take its number.
const aboveFiles = 512

// memory makes a sealed copy that no file system holds.
func (p packed) memory() (string, error) {
	fd, err := unix.MemfdCreate("skiff-"+p.name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("skiff-"+p.name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return "", fmt.Errorf("memfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), p.name)
	defer f.Close()
	if err := p.copyTo(f); err != nil {
		return "", err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return "", fmt.Errorf("memfd: %w", err)
	}
	kept, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, aboveFiles)
	if err != nil {
		return "", fmt.Errorf("memfd: %w", err)
	}
	return "/proc/self/fd/" + strconv.Itoa(kept), nil
}
