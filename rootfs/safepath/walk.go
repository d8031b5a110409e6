package safepath

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxLinks = 40   // as in the kernel, MAXSYMLINKS
	maxDepth = 1024 // open directories on the way down
	maxPath  = 4096 // PATH_MAX
)

// walk goes down a path one part at a time. It holds the directories on the way
// open, so that ".." is where it came from and never a question to the kernel,
// which would answer for a directory that was moved meanwhile.
type walk struct {
	root  int
	stack []level // below the root
	rest  []string
	links int
	// missing makes the directory name in parent; nil leaves ENOENT.
	missing func(parent int, name string) error
}

type level struct {
	fd   int
	name string
}

func newWalk(root int, path string) (*walk, error) {
	if path == "" {
		return nil, unix.ENOENT
	}
	if len(path) >= maxPath {
		return nil, unix.ENAMETOOLONG
	}
	if strings.IndexByte(path, 0) >= 0 {
		return nil, unix.EINVAL
	}
	return &walk{root: root, rest: strings.Split(path, "/")}, nil
}

func (w *walk) close() {
	for _, l := range w.stack {
		unix.Close(l.fd)
	}
	w.stack = nil
}

func (w *walk) dir() int {
	if len(w.stack) == 0 {
		return w.root
	}
	return w.stack[len(w.stack)-1].fd
}

// next takes the next part that names something off the rest. None means that
// the walk is where it is to go.
func (w *walk) next() string {
	for len(w.rest) > 0 {
		name := w.rest[0]
		w.rest = w.rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if n := len(w.stack); n > 0 {
				unix.Close(w.stack[n-1].fd)
				w.stack = w.stack[:n-1]
			}
			continue
		}
		return name
	}
	return ""
}

// slashes reports that only slashes follow: "a/" asks for a directory, as "a/."
// does.
func (w *walk) slashes() bool { return len(w.rest) > 0 && strings.Join(w.rest, "") == "" }

// step goes into name, following it where it is a link.
func (w *walk) step(name string) error {
	if len(w.stack) == maxDepth {
		return unix.ENAMETOOLONG
	}
	for try := 0; ; try++ {
		fd, err := unix.Openat(w.dir(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ENOENT) && w.missing != nil && try < openTries {
			if err := w.missing(w.dir(), name); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			unix.Close(fd)
			return err
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			w.stack = append(w.stack, level{fd, name})
			return nil
		case unix.S_IFLNK:
			defer unix.Close(fd)
			return w.follow(fd)
		}
		unix.Close(fd)
		return unix.ENOTDIR
	}
}

// follow puts the target of the link, open as fd, in front of the rest.
func (w *walk) follow(fd int) error {
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	target, err := readlink(fd, "")
	if err != nil {
		return err
	}
	return w.redirect(target)
}

func (w *walk) redirect(target string) error {
	if target == "" {
		return unix.ENOENT
	}
	if strings.HasPrefix(target, "/") {
		w.close()
	}
	rest := w.rest
	w.rest = append(strings.Split(target, "/"), rest...)
	return nil
}

func readlink(dir int, name string) (string, error) {
	var buf [maxPath]byte
	for {
		n, err := unix.Readlinkat(dir, name, buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return "", err
		}
		return string(buf[:n]), nil
	}
}

// directory walks to the end, which has to be a directory.
func (w *walk) directory() error {
	for {
		name := w.next()
		if name == "" {
			return nil
		}
		if err := w.step(name); err != nil {
			return err
		}
	}
}

// lexical is where the walk is, then name, then the rest that was not walked.
func (w *walk) lexical(name string) string {
	var parts []string
	for _, l := range w.stack {
		parts = append(parts, l.name)
	}
	for _, p := range append([]string{name}, w.rest...) {
		switch p {
		case "", ".":
		case "..":
			parts = parts[:max(len(parts)-1, 0)]
		default:
			parts = append(parts, p)
		}
	}
	return "/" + strings.Join(parts, "/")
}

// walkOpen is openat2 with RESOLVE_IN_ROOT for kernels before 5.6 and for trees
// that change too fast for it.
func walkOpen(root int, path string, flags int, mode uint32) (int, error) {
	w, err := newWalk(root, path)
	if err != nil {
		return -1, err
	}
	defer w.close()
	for {
		name := w.next()
		if name == "" { // the path ended in "", "." or ".."
			switch flags & (unix.O_CREAT | unix.O_EXCL) {
			case unix.O_CREAT | unix.O_EXCL:
				return -1, unix.EEXIST
			case unix.O_CREAT:
				return -1, unix.EISDIR
			}
			return unix.Openat(w.dir(), ".", flags, 0)
		}
		if flags&unix.O_CREAT != 0 && w.slashes() {
			return -1, unix.EISDIR
		}
		if len(w.rest) > 0 {
			if err := w.step(name); err != nil {
				return -1, err
			}
			continue
		}
		fd, again, err := w.last(name, flags, mode)
		if !again {
			return fd, err
		}
	}
}

// last opens the last part. again says that it was a link and the walk goes on.
func (w *walk) last(name string, flags int, mode uint32) (fd int, again bool, err error) {
	if flags&unix.O_NOFOLLOW == 0 && flags&(unix.O_CREAT|unix.O_EXCL) != unix.O_CREAT|unix.O_EXCL {
		target, err := readlink(w.dir(), name)
		if err == nil {
			if w.links++; w.links > maxLinks {
				return -1, false, unix.ELOOP
			}
			return -1, true, w.redirect(target)
		}
		if !errors.Is(err, unix.EINVAL) && !(errors.Is(err, unix.ENOENT) && flags&unix.O_CREAT != 0) {
			return -1, false, err
		}
	}
	fd, err = unix.Openat(w.dir(), name, flags|unix.O_NOFOLLOW, mode)
	if errors.Is(err, unix.ELOOP) && flags&unix.O_NOFOLLOW == 0 {
		// It became a link since we looked; links counts so that this ends.
		if w.links++; w.links <= maxLinks {
			w.rest = append([]string{name}, w.rest...)
			return -1, true, nil
		}
	}
	// With O_PATH a link that appeared meanwhile is opened itself; the caller
	// asked for what it leads to.
	if err == nil && flags&unix.O_PATH != 0 && flags&unix.O_NOFOLLOW == 0 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			unix.Close(fd)
			if w.links++; w.links > maxLinks {
				return -1, false, unix.ELOOP
			}
			w.rest = append([]string{name}, w.rest...)
			return -1, true, nil
		}
	}
	return fd, false, err
}
