// Package netsetup gives a container its network and takes it away again:
// namespaces, bridges, addresses, published ports, name files.
//
// Setup validates everything before the first change, and undoes what it did
// when it fails. What a running container has is told in state.NetworkStatus,
// and what has to be undone in state.Teardown, as data. Not here: starting
// containers, and knowing which ones there are.
package netsetup

import (
	"context"
	"fmt"
	"net/netip"
	"os"

	"skiff/netsetup/firewall"
	"skiff/netsetup/ipam"
	"skiff/netsetup/link"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/lock"
)

// Kinds of failure that callers ask for with errors.Is.
var (
	// ErrPortInUse: a host port is taken.
	ErrPortInUse = firewall.ErrPortInUse
	// ErrAddressInUse: a wanted address belongs to another container.
	ErrAddressInUse = ipam.ErrInUse
)

// Firewall drivers. containers.conf: network.firewall_driver.
const (
	DriverAuto     = ""
	DriverNftables = "nftables"
	DriverIptables = "iptables"
	DriverNone     = "none"
)

// Manager sets networks up below one pair of roots. It holds no state.
type Manager struct {
	Roots    dirs.Roots
	Firewall string // one of the Driver constants
	// Suffix keeps the device and table names of different data roots apart; empty
	// for the default data root.
	Suffix string
	// MTU of bridges and containers' devices; 0 leaves the kernel's.
	MTU int
	// Pasta is pasta's path; empty means that it is looked up.
	Pasta string
	// Subnet is what the default network gets when it is first used; the zero
	// prefix means a free one. containers.conf: network.default_subnet.
	Subnet netip.Prefix
}

// Request is one container's network to set up.
type Request struct {
	ID         string // the container's
	Name       string
	Hostname   string
	Domainname string
	Network    state.Network
	// NS is the container's namespace, for the modes bridge and pasta.
	NS *link.Namespace
	// HostsBase is what the hosts file begins with; nil means the usual lines.
	HostsBase []byte
	// Links are names by which the container alone finds others, with their ids.
	Links map[string]string
	// Dir is where the container's name files go.
	Dir dirs.Container
}

// Result is what Setup made.
type Result struct {
	Status state.NetworkStatus
	// Teardown undoes it, but for the devices: the kernel removes them with the
	// namespace, a moment after its last process ended, and waiting for that would
	// cost more than all the rest (Collect does, where it matters). Its Netlink batches are only valid for the process
	// that holds the Reserved sockets: others may have got the ports since. Who
	// takes down after a dead monitor calls Manager.Teardown instead.
	Teardown state.Teardown
	// Reserved are bound sockets that keep the host ports for the container. They
	// have to be held until Teardown was carried out.
	Reserved []*os.File
	// Resolver are the sockets at which the monitor answers the container's questions
	// for names, for UDP and TCP, where Status.Resolver says that it does.
	Resolver []*os.File
	// Watch are sockets that tell when rules are to be restored, see
	// firewall.NFT.Watch.
	Watch []*os.File
	// Warnings are lines for the user about what this host cannot do.
	Warnings []string
}

// Close lets go of the sockets.
func (r *Result) Close() {
	for _, files := range [][]*os.File{r.Reserved, r.Resolver, r.Watch} {
		closeFiles(files)
	}
	r.Reserved, r.Resolver, r.Watch = nil, nil, nil
}

// NewNamespace makes a network namespace with its loopback device up.
func (m *Manager) NewNamespace() (*link.Namespace, error) { return link.NewNamespace() }

// AdoptNamespace is NewNamespace for one that is there; the file is its.
func (m *Manager) AdoptNamespace(f *os.File) (*link.Namespace, error) { return link.AdoptNamespace(f) }

// Setup makes the container's network.
//
// Preconditions:
//   - the container's monitor holds its claim (dirs.Container.Alive)
//   - for bridge and pasta, r.NS is a fresh namespace
//
// Postconditions:
//   - on error nothing is left of it but, if it was missing, the network itself
func (m *Manager) Setup(ctx context.Context, r Request) (Result, error) {
	if err := m.Validate(r.Network); err != nil {
		return Result{}, err
	}
	switch r.Network.Mode {
	case state.ModeBridge:
		return m.setupNetworks(ctx, r)
	case state.ModePasta:
		return m.setupPasta(ctx, r)
	}
	return Result{}, nil // none, host and container: have nothing of their own
}

// undo is the steps back, run in reverse where the way forward fails.
type undo []func() error

func (u *undo) push(f func() error) { *u = append(*u, f) }

func (u undo) run(err error) error {
	for i := len(u) - 1; i >= 0; i-- {
		switch e := u[i](); {
		case e == nil:
		case err == nil:
			err = e
		default:
			err = fmt.Errorf("%w (and undoing it: %v)", err, e)
		}
	}
	return err
}

func (m *Manager) alive(id string) bool {
	return state.IsID(id) && lock.Held(m.Roots.Container(id).Alive())
}
