package names

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	// listSize holds the entries of one name: some 2,900 containers.
	listSize = 256 << 10
	idSize   = 64
	// A directory's entry as getdents64(2) gives it: two numbers of 64 bits, its own
	// length, its type, its name.
	direntLength = 16
	direntName   = 19
)

// Reader looks names up. It keeps its buffers, so that a lookup makes no garbage.
// It is not for several goroutines.
type Reader struct {
	run  string
	path []byte
	list []byte // mapped, so that it can be given back
	link [maxContent]byte
	lock unix.Flock_t
}

// NewReader reads what is below the run root.
func NewReader(run string) (*Reader, error) {
	list, err := unix.Mmap(-1, 0, listSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("cannot allocate memory: %w", err)
	}
	return &Reader{run: filepath.Clean(run), path: make([]byte, 0, 2048), list: list}, nil
}

// Trim gives memory back that only a long list needs.
func (r *Reader) Trim() { unix.Madvise(r.list, unix.MADV_DONTNEED) }

// Close gives all of it back.
func (r *Reader) Close() {
	if r.list != nil {
		unix.Munmap(r.list)
		r.list = nil
	}
}

// Query is a question for a name's addresses.
type Query struct {
	Network string
	Name    []byte // has to be Valid
	// ID asks for that container only; empty means all that have the name.
	ID []byte
	// Six asks for IPv6 addresses instead of IPv4.
	Six bool
	// Turn chooses with which container the list begins.
	Turn uint32
	// Most bounds the addresses.
	Most int
}

// Look appends the addresses to dst. known says that a running container has the
// name, more that there are other addresses than those.
func (r *Reader) Look(dst []netip.Addr, q Query) (_ []netip.Addr, known, more bool) {
	list := r.entries(q.Network, namesDir, q.Name)
	if len(list) == 0 {
		return dst, false, false
	}
	dir := len(r.path)
	first := start(list, q.Turn)
	for at, again := first, false; at != first || !again; again = true {
		id := entryName(list, at)
		if at = next(list, at); at >= len(list) {
			at = 0
		}
		if len(id) != idSize || len(q.ID) > 0 && string(q.ID) != string(id) {
			continue
		}
		content := r.content(dir, id)
		if len(content) == 0 || !r.alive(id) {
			continue
		}
		known = true
		var full bool
		if dst, full = addresses(dst, content, q.Six, q.Most); full {
			return dst, true, true
		}
	}
	return dst, known, false
}

// Name is the name of the container that has the address in the network. It is
// valid until the next call.
func (r *Reader) Name(network string, address []byte) ([]byte, bool) {
	list := r.entries(network, hostsDir, address)
	dir := len(r.path)
	for at := 0; at < len(list); at = next(list, at) {
		id := entryName(list, at)
		if len(id) != idSize {
			continue
		}
		if content := r.content(dir, id); Valid(content) && r.alive(id) {
			return content, true
		}
	}
	return nil, false
}

// entries lists the directory of a name. It leaves the directory's path, with a
// slash, in r.path.
func (r *Reader) entries(network, kind string, name []byte) []byte {
	p := append(r.path[:0], r.run...)
	p = append(append(p, "/networks/"...), network...)
	p = append(append(p, '/'), kind...)
	p = append(append(append(p, '/'), name...), '/')
	r.path = p
	fd := r.open(unix.O_RDONLY | unix.O_DIRECTORY)
	if fd < 0 {
		return nil
	}
	defer unix.Close(fd)
	n := 0
	for n < len(r.list) {
		got, err := unix.Getdents(fd, r.list[n:])
		if err != nil || got <= 0 {
			break
		}
		n += got
	}
	return r.list[:n]
}

// start is where the entry is whose turn it is.
func start(list []byte, turn uint32) (first int) {
	n := uint32(0)
	for at := 0; at < len(list); at = next(list, at) {
		if len(entryName(list, at)) == idSize {
			n++
		}
	}
	if n == 0 {
		return 0
	}
	turn %= n
	for at := 0; at < len(list); at = next(list, at) {
		if len(entryName(list, at)) != idSize {
			continue
		}
		if turn == 0 {
			return at
		}
		turn--
	}
	return 0
}

func next(list []byte, at int) int {
	return at + max(int(binary.NativeEndian.Uint16(list[at+direntLength:])), direntName)
}

func entryName(list []byte, at int) []byte {
	b := list[at+direntName : min(next(list, at), len(list))]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return b
}

// content reads the entry of the directory whose path is in r.path.
func (r *Reader) content(dir int, id []byte) []byte {
	r.path = append(r.path[:dir], id...)
	return r.link[:max(0, r.readlink())]
}

// alive reports whether the container's monitor holds its claim (lock.Held). It
// keeps the path of the directory in r.path.
func (r *Reader) alive(id []byte) bool {
	keep := r.path
	defer func() { r.path = keep }()
	p := append(keep[len(keep):], r.run...)
	p = append(append(p, "/containers/"...), id...)
	r.path = append(p, "/alive"...)
	fd := r.open(unix.O_RDWR | unix.O_NOFOLLOW)
	if fd < 0 {
		return false
	}
	defer unix.Close(fd)
	r.lock = unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &r.lock) == nil && r.lock.Type != unix.F_UNLCK
}

// addresses appends those of the family. full says that there was no room for one.
func addresses(dst []netip.Addr, content []byte, six bool, most int) (_ []netip.Addr, full bool) {
	for len(content) > 0 {
		var one []byte
		one, content, _ = bytes.Cut(content, []byte{','})
		a, err := netip.ParseAddr(text(one))
		if err != nil || a.Is6() != six {
			continue
		}
		if len(dst) >= most {
			return dst, true
		}
		dst = append(dst, a)
	}
	return dst, false
}
