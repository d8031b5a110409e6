package layer

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Containers whose files have no Mtab get one when they start: a link to MtabTarget, for
// programs that look there for what is mounted. It is the engine's and no change of the
// container's.
const (
	Mtab       = "/etc/mtab"
	MtabTarget = "/proc/mounts"

	mtabDir, mtabName = "etc", "mtab"
)

// HasOwnMtab reports whether a writable layer has the link of a start's. below are the
// layers under it, lowest first.
func HasOwnMtab(below []string, upper string) (bool, error) {
	news, err := openStack([]string{upper})
	if err != nil {
		return false, err
	}
	defer news.close()
	etc, err := news.lookup(mtabDir)
	if etc == nil || err != nil || !ownMtab(etc.dir) {
		if etc != nil {
			etc.dir.close()
		}
		return false, err
	}
	etc.dir.close()
	olds, err := openStack(below)
	if err != nil {
		return false, err
	}
	defer olds.close()
	before, err := olds.lookup(mtabDir)
	if before == nil || err != nil {
		return err == nil, err
	}
	defer before.dir.close()
	old, err := before.dir.lookup(mtabName)
	if old != nil {
		old.dir.close()
	}
	return old == nil && err == nil, err
}

// ownMtab reports whether a directory /etc has the link.
func ownMtab(etc stack) bool {
	for _, layer := range etc {
		var target [len(MtabTarget) + 1]byte
		n, err := unix.Readlinkat(int(layer.Fd()), mtabName, target[:])
		if !errors.Is(err, unix.ENOENT) {
			return err == nil && string(target[:n]) == MtabTarget
		}
	}
	return false
}
