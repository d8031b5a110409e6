package resolver

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
)

const (
	// maxServers are asked in turn, as many as the C library takes, or more where a
	// user has named them.
	maxServers = 3
	maxNamed   = 8
	// A server has tryFor to answer before the next one is asked. The last one has
	// what is left of allFor, which ends before the C library asks again (5 s).
	tryFor = 1500 * time.Millisecond
	allFor = 4500 * time.Millisecond
	// resolvConf names the host's servers. It is looked at once a second at most.
	resolvConf = "/etc/resolv.conf"
	lookAgain  = time.Second
	maxFile    = 64 << 10
	// preferFor is how long a server that answered in place of an earlier one is
	// asked first.
	preferFor = 30 * time.Second
	domain    = 53
)

// servers are those that know what is no name of the networks.
type servers struct {
	path string // of the host's, for tests
	list []unix.Sockaddr
	// named says that the user has named them: they are asked from the container's
	// namespace, the host's from the host.
	named bool
	// closed says that the host's are not to be asked.
	closed bool
	home   int // the monitor's own network namespace, -1 without need
	inner  int // the container's

	checked  int64
	seen     unix.Stat_t
	first    int // the one to begin with
	firstFor int64
}

// follow takes over what the container's networks say. sock is one of the
// container's.
func (s *servers) follow(st state.NetworkStatus, sock int) error {
	if s.path == "" {
		s.path = resolvConf
	}
	s.named, s.closed = len(st.Servers) > 0, st.Closed
	s.list, s.checked, s.seen, s.first = nil, 0, unix.Stat_t{}, 0
	if !s.named {
		s.close()
		return nil
	}
	for _, text := range st.Servers {
		if a, ok := parseServer(text); ok && text != Address && len(s.list) < maxNamed {
			s.list = append(s.list, a)
		}
	}
	if s.inner >= 0 {
		return nil
	}
	var err error
	if s.inner, err = unix.IoctlRetInt(sock, unix.SIOCGSKNS); err != nil {
		s.inner = -1
		return err
	}
	unix.CloseOnExec(s.inner)
	s.home, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return err
}

func (s *servers) close() {
	for _, fd := range []*int{&s.home, &s.inner} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// any says whether there is somebody to ask.
func (s *servers) any() bool { return s.named || !s.closed }

// look reads the host's servers where they may have changed.
func (s *servers) look(now int64) {
	if s.named || s.checked > 0 && now-s.checked < int64(lookAgain) {
		return
	}
	s.checked = max(now, 1)
	var st unix.Stat_t
	if err := unix.Stat(s.path, &st); err != nil {
		st = unix.Stat_t{}
	}
	if s.list != nil && st.Ino == s.seen.Ino && st.Dev == s.seen.Dev && st.Mtim == s.seen.Mtim && st.Size == s.seen.Size {
		return
	}
	s.seen, s.list, s.first = st, nil, 0
	if text, err := readSmall(s.path); err == nil {
		s.list = parseServers(text)
	}
	if len(s.list) == 0 {
		// resolv.conf(5): without any the server is the machine itself.
		s.list = []unix.Sockaddr{&unix.SockaddrInet4{Port: domain, Addr: [4]byte{127, 0, 0, 1}}}
	}
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, maxFile)
	n, err := f.Read(buf)
	return buf[:max(n, 0)], err
}

func parseServers(text []byte) (list []unix.Sockaddr) {
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) < 2 || f[0] != "nameserver" || len(list) == maxServers {
			continue
		}
		if a, ok := parseServer(f[1]); ok {
			list = append(list, a)
		}
	}
	return list
}

func parseServer(text string) (unix.Sockaddr, bool) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return nil, false
	case a.Unmap().Is4():
		return &unix.SockaddrInet4{Port: domain, Addr: a.Unmap().As4()}, true
	}
	return &unix.SockaddrInet6{Port: domain, Addr: a.As16(), ZoneId: zone(a.Zone())}, true
}

// zone is the number of a device of the host; 0 for none.
func zone(name string) uint32 {
	if name == "" {
		return 0
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	if unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr) != nil {
		return 0
	}
	return ifr.Uint32()
}

// at is the nth to ask of those that there are; nil for no more.
func (s *servers) at(n int, now int64) unix.Sockaddr {
	if n >= len(s.list) {
		return nil
	}
	return s.list[s.index(n, now)]
}

// patience is until when the server before the nth is waited for.
func (s *servers) patience(n int, now, deadline int64) int64 {
	if s.at(n, now) != nil {
		return min(deadline, now+int64(tryFor))
	}
	return deadline
}

func (s *servers) index(n int, now int64) int {
	if s.first > 0 && now > s.firstFor {
		s.first = 0
	}
	return (s.first + n) % len(s.list)
}

// failed says that the answer of the server before the nth is none, and that there
// is another one to ask. Who answers in place of one before it is remembered.
func (s *servers) failed(c code, n int, now int64) bool {
	if c == serverFailure || c == refused {
		return s.at(n, now) != nil
	}
	if n > 1 && n <= len(s.list) {
		s.first, s.firstFor = s.index(n-1, now), now+int64(preferFor)
	}
	return false
}

// connect makes a socket that takes messages of that server only, at a port that
// the kernel chooses at random. err may be EINPROGRESS with a socket.
func (s *servers) connect(to unix.Sockaddr, kind int) (fd int, err error) {
	family := unix.AF_INET
	if _, six := to.(*unix.SockaddrInet6); six {
		family = unix.AF_INET6
	}
	if !s.named {
		fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	} else if fd, err = s.inside(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK); err != nil {
		return -1, err
	}
	if err != nil {
		return -1, err
	}
	if err = unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		unix.Close(fd)
		return -1, err
	}
	return fd, err
}

// inside makes a socket in the container's network namespace.
func (s *servers) inside(family, kind int) (fd int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setns(s.inner, unix.CLONE_NEWNET); err != nil {
		return -1, err
	}
	fd, err = unix.Socket(family, kind, 0)
	if herr := unix.Setns(s.home, unix.CLONE_NEWNET); herr != nil {
		// The thread would go on to open the host's sockets here. It came from there,
		// so this does not happen; if it did, no question must be asked from here.
		panic("cannot return to the host's network: " + herr.Error())
	}
	return fd, err
}
