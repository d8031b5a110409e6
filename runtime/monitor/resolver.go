package monitor

import (
	"golang.org/x/sys/unix"

	"skiff/runtime/resolver"
	"skiff/state"
)

// resolverFDs are the sockets of a resolver: for UDP and TCP.
const resolverFDs = 2

// takeResolver takes the resolver's sockets, which are the last, off a list of
// descriptors that came with what the network is now.
func takeResolver(st *state.NetworkStatus, fds []int) (rest, sockets []int) {
	if !st.Resolver || len(fds) < resolverFDs {
		return fds, nil
	}
	n := len(fds) - resolverFDs
	return fds[:n:n], fds[n:]
}

// answerNames has the container's questions for names answered as its networks are
// now; sockets are those of a resolver that begins.
func (m *monitor) answerNames(st state.NetworkStatus, sockets []int) error {
	if m.resolver == nil && len(sockets) == resolverFDs {
		r, err := resolver.New(m.c.RunRoot(), sockets[0], sockets[1])
		if err != nil {
			return err
		}
		m.resolver = r
		if m.resolving, err = m.loop.add(r.Fd(), unix.EPOLLIN, func(uint32) { m.busy(); r.Turn() }); err != nil {
			m.closeResolver()
			return err
		}
	}
	if m.resolver == nil {
		return nil
	}
	m.churn += 4 << 10
	return m.resolver.Follow(st)
}

// closeResolver ends answering. The sockets would keep the container's network
// namespace, and with it its devices.
func (m *monitor) closeResolver() {
	if m.resolver == nil {
		return
	}
	m.loop.remove(m.resolving)
	m.resolver.Close()
	m.resolver, m.resolving = nil, nil
}
