package transfer

import (
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Errors of Place.
var (
	// ErrDirOverFile: a directory is to be copied to something else.
	ErrDirOverFile = errors.New("destination must be a directory when copying a directory")
	// ErrArchiveOverFile: an archive is to be unpacked in no directory.
	ErrArchiveOverFile = errors.New("destination must be a directory when copying from stdin")
	// ErrMissing: the destination, or what is to hold it, does not exist.
	ErrMissing = errors.New("no such file or directory")
	// ErrNotDirectory: the destination ends with a slash and is no directory.
	ErrNotDirectory = errors.New("not a directory")
)

// Source is what is going to be copied.
type Source struct {
	// Name is what its copy in a directory is called.
	Name string
	Dir  bool
	// Contents asks for what the directory holds: SRC/.
	Contents bool
	// Archive says that it is an archive of the user's.
	Archive bool
}

// Found is what is at a path.
type Found struct {
	Exists, Dir bool
	// Path is where the path leads to. Parts that do not exist are as they were
	// given.
	Path string
}

// Placement is where a copy goes.
type Placement struct {
	// Base is what the archive's "." becomes.
	Base string
	// KeepTop says that Base is there and is only added to.
	KeepTop bool
}

// Place decides where a copy goes that is sent to the absolute path dst, by
// Docker's rules (docker cp). look follows links.
func Place(src Source, dst string, look func(path string) (Found, error)) (Placement, error) {
	asserted := strings.HasSuffix(dst, "/") || path.Base(dst) == "." || path.Base(dst) == ".."
	at, err := look(dst)
	if err != nil {
		return Placement{}, err
	}
	switch {
	case at.Exists && at.Dir && (src.Archive || src.Dir && src.Contents):
		return Placement{Base: at.Path, KeepTop: true}, nil
	case at.Exists && at.Dir:
		return Placement{Base: path.Join(at.Path, src.Name)}, nil
	case src.Archive:
		return Placement{}, ErrArchiveOverFile
	case at.Exists && src.Dir:
		return Placement{}, ErrDirOverFile
	case at.Exists && asserted:
		return Placement{}, ErrNotDirectory
	case at.Exists:
		return Placement{Base: at.Path}, nil
	case asserted && !src.Dir:
		return Placement{}, ErrMissing
	}
	up, err := look(path.Dir(at.Path))
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return Placement{}, ErrNotDirectory
	case err != nil:
		return Placement{}, err
	case !up.Exists:
		return Placement{}, ErrMissing
	case !up.Dir:
		return Placement{}, ErrNotDirectory
	}
	return Placement{Base: path.Join(up.Path, path.Base(at.Path))}, nil
}
