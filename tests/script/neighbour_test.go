package script

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// cmdNeighbour makes another host, which is a network namespace on the other end
// of DEVICE:
//
//	neighbour DEVICE OWN/LENGTH THEIRS/LENGTH
//
// neighbour DEVICE alone takes it away, which has to be done before leaks. At port
// 8000 it tells who calls by HTTP, as an address alone. The namespace's
// path is in $DEVICE, in capitals, for nsenter --net=.
func cmdNeighbour(ts *testscript.TestScript, neg bool, args []string) {
	if !neg && len(args) == 1 {
		ts.Check(ipCommand("link", "del", args[0]))
		return
	}
	if neg || len(args) != 3 {
		ts.Fatalf("usage: neighbour DEVICE [OWN/LENGTH THEIRS/LENGTH]")
	}
	device, own, theirs := args[0], args[1], args[2]
	ns, listener, err := newHost(theirs, device)
	ts.Check(err)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintln(w, host)
	}))
	ts.Defer(func() {
		listener.Close()
		ns.Close() // and with it goes the pair of devices
	})
	for _, words := range [][]string{{"addr", "add", own, "dev", device}, {"link", "set", device, "up"}} {
		ts.Check(ipCommand(words...))
	}
	ts.Setenv(strings.ToUpper(device), fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.Fd()))
}

// newHost makes the namespace and the pair, whose one end is named device in the
// namespace that this thread is in.
func newHost(address, device string) (ns *os.File, listener net.Listener, err error) {
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, nil, err
	}
	defer here.Close()
	done := make(chan error)
	go func() { done <- inHost(here, address, device, &ns, &listener) }()
	return ns, listener, <-done
}

// inHost is the part of newHost that is done in the new namespace, on a thread
// that ends with it.
func inHost(here *os.File, address, device string, ns **os.File, listener *net.Listener) (err error) {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if *ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	peer := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), here.Fd())
	for _, words := range [][]string{
		{"link", "set", "lo", "up"}, {"link", "add", "eth0", "type", "veth", "peer", "name", device, "netns", peer},
		{"addr", "add", address, "dev", "eth0"}, {"link", "set", "eth0", "up"},
	} {
		if err := ipCommand(words...); err != nil {
			return err
		}
	}
	*listener, err = net.Listen("tcp", ":8000")
	return err
}

func ipCommand(words ...string) error {
	if out, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %v: %s", strings.Join(words, " "), err, out)
	}
	return nil
}
