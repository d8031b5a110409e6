package mounts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"skiff/rootfs/imagecall"
)

const (
	// agentDir is where BuildKit shows sockets of agents.
	agentDir = "/run/buildkit"
	// maxKey bounds a file with a key in bytes.
	maxKey = 100 << 10
	// maxAgentConns bounds the connections to an agent at a time.
	maxAgentConns = 64
	defaultAgent  = "default"
)

// addAgent shows the socket of an agent. The first one is the program's.
func (r *resolver) addAgent(m *instructions.Mount) error {
	if m.Source != "" {
		return errors.New("a mount of type ssh has no source")
	}
	id := m.CacheID
	if id == "" {
		id = defaultAgent
	}
	connect, err := r.agent(id)
	if err != nil {
		return err
	}
	if connect == nil {
		if m.Required {
			return fmt.Errorf("unset ssh forward key %s: give an agent with --ssh %s", id, id)
		}
		return nil
	}
	target := m.Target
	if target == "" {
		target = agentDir + "/ssh_agent." + strconv.Itoa(r.ssh)
	}
	if target, err = r.target(target); err != nil {
		return err
	}
	socket, err := r.inMemory()
	if err != nil {
		return err
	}
	a, err := listen(socket, connect)
	if err != nil {
		return fmt.Errorf("cannot show the SSH agent %q: %w", id, err)
	}
	r.agents = append(r.agents, a)
	if err := own(socket, number(m.UID, 0), number(m.GID, 0), number(m.Mode, 0o600)); err != nil {
		return fmt.Errorf("cannot show the SSH agent %q: %w", id, err)
	}
	r.mount(imagecall.Mount{Target: target, Source: socket})
	if r.ssh++; r.ssh == 1 {
		r.env = append(r.env, "SSH_AUTH_SOCK="+target)
	}
	return nil
}

// connector gives an agent to one connection, and what ends its use.
type connector func() (agent.ExtendedAgent, func(), error)

// agent finds the agent of an id; nil where the build was given none.
func (r *resolver) agent(id string) (connector, error) {
	for _, s := range r.p.SSH {
		if s.ID != id {
			continue
		}
		if len(s.Paths) == 0 {
			socket := os.Getenv("SSH_AUTH_SOCK")
			if socket == "" {
				return nil, fmt.Errorf("cannot use the SSH agent %q: SSH_AUTH_SOCK is not set: start one (eval $(ssh-agent)), or give a key with --ssh %s=FILE", id, id)
			}
			return forward(socket), nil
		}
		return keysOrSocket(id, s.Paths)
	}
	return nil, nil
}

// keysOrSocket is an agent of our own with the keys in the files, or that of the
// only one, which is a socket.
func keysOrSocket(id string, paths []string) (connector, error) {
	ring := agent.NewKeyring()
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("cannot use the SSH agent %q: %w", id, err)
		}
		if st.Mode()&os.ModeSocket != 0 {
			if len(paths) > 1 {
				return nil, fmt.Errorf("cannot use the SSH agent %q: %s is a socket, and only one can be used", id, p)
			}
			return forward(p), nil
		}
		if err := addKey(ring, p); err != nil {
			return nil, fmt.Errorf("cannot use the SSH agent %q: %w", id, err)
		}
	}
	own, ok := ring.(agent.ExtendedAgent)
	if !ok {
		return nil, errors.New("the library's agent cannot sign as asked")
	}
	return func() (agent.ExtendedAgent, func(), error) { return own, func() {}, nil }, nil
}

func addKey(ring agent.Agent, name string) error {
	data, err := readFile(name, maxKey)
	if err != nil {
		return err
	}
	key, err := ssh.ParseRawPrivateKey(data)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return fmt.Errorf("%s has a passphrase: add it to your agent (ssh-add %s)", name, name)
	}
	if err != nil {
		return fmt.Errorf("%s is not a private key: %w", name, err)
	}
	return ring.Add(agent.AddedKey{PrivateKey: key, Comment: name})
}

// forward uses the agent that listens on a socket of the host.
func forward(socket string) connector {
	return func() (agent.ExtendedAgent, func(), error) {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, nil, err
		}
		return agent.NewClient(conn), func() { conn.Close() }, nil
	}
}

// agentSocket is a socket on which programs reach an agent.
type agentSocket struct {
	l     *net.UnixListener
	group sync.WaitGroup
	stop  context.CancelFunc
}

func listen(path string, connect connector) (*agentSocket, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &agentSocket{l: l, stop: cancel}
	s.group.Go(func() { s.accept(ctx, connect) })
	return s, nil
}

func (s *agentSocket) accept(ctx context.Context, connect connector) {
	room := make(chan struct{}, maxAgentConns)
	for {
		room <- struct{}{}
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		s.group.Go(func() {
			defer func() { <-room }()
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			a, done, err := connect()
			if err != nil {
				return // the program's ssh says that its agent does not answer
			}
			defer done()
			_ = agent.ServeAgent(usable{a}, conn) // ends with the connection
		})
	}
}

func (s *agentSocket) close() {
	s.stop()
	s.l.Close()
	s.group.Wait()
}

// errUseOnly is what a program gets that wants to change the caller's agent.
var errUseOnly = errors.New("the agent can be used, but not changed")

// usable is an agent whose keys can be used, and nothing else: a Dockerfile may be
// anybody's.
type usable struct{ agent.ExtendedAgent }

func (usable) Add(agent.AddedKey) error       { return errUseOnly }
func (usable) Remove(ssh.PublicKey) error     { return errUseOnly }
func (usable) RemoveAll() error               { return errUseOnly }
func (usable) Lock([]byte) error              { return errUseOnly }
func (usable) Unlock([]byte) error            { return errUseOnly }
func (usable) Signers() ([]ssh.Signer, error) { return nil, errUseOnly }

// Extension passes on what binds a signature to a session, see OpenSSH's
// PROTOCOL.agent; others could be orders.
func (u usable) Extension(kind string, contents []byte) ([]byte, error) {
	if kind != "session-bind@openssh.com" {
		return nil, agent.ErrExtensionUnsupported
	}
	return u.ExtendedAgent.Extension(kind, contents)
}
