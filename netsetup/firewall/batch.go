package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// maxElements bounds the elements in one message: the attribute that holds them
// all is counted in 16 bits.
const maxElements = 400

// record gives the messages that fill would send, as one transaction ready to
// be written to a NETLINK_NETFILTER socket. excl makes it an error (EEXIST) if
// an added element or table is there already.
func record(excl bool, fill func(*nftables.Conn) error) ([]byte, error) {
	var got []netlink.Message
	c, err := nftables.New(nftables.WithTestDial(func(req []netlink.Message) ([]netlink.Message, error) {
		if got == nil {
			got = req
		}
		return nil, os.ErrPermission // ends Flush without waiting for answers
	}))
	if err != nil {
		return nil, err
	}
	if err := fill(c); err != nil {
		return nil, err
	}
	if err := c.Flush(); got == nil {
		return nil, err
	}
	var out []byte
	for i, m := range got {
		m.Header.Sequence, m.Header.PID = uint32(i+1), 0
		if excl && m.Header.Type == netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWSETELEM) {
			m.Header.Flags |= netlink.Excl
		}
		b, err := m.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("cannot encode firewall rules: %w", err)
		}
		out = append(out, b...)
	}
	return out, nil
}

// Send hands one transaction to the kernel. The error is the kernel's first
// errno; then nothing of the transaction was done.
func Send(batch []byte) error {
	if len(batch) == 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) {
			return fmt.Errorf("nftables: %w", ErrUnsupported)
		}
		return fmt.Errorf("cannot reach the firewall: %w", err)
	}
	defer unix.Close(fd)
	if len(batch) > 100<<10 {
		// The kernel takes a transaction in one piece only.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 2*len(batch)); err != nil {
			return fmt.Errorf("cannot send %d bytes of firewall rules: %w", len(batch), err)
		}
	}
	if err := unix.Sendto(fd, batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	return answers(fd)
}

// answers reads what the kernel said. It carries a transaction out within the
// send, so all answers are there by now.
func answers(fd int) error {
	buf := make([]byte, 64<<10)
	var first error
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return first
		case err != nil:
			return err
		}
		for b := buf[:n]; len(b) >= unix.NLMSG_HDRLEN; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.NLMSG_HDRLEN || size > len(b) {
				break
			}
			if binary.NativeEndian.Uint16(b[4:]) == unix.NLMSG_ERROR && size >= 20 {
				if e := int32(binary.NativeEndian.Uint32(b[16:])); e != 0 && first == nil {
					first = unix.Errno(-e)
				}
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}

// HasNFT reports whether the kernel has nf_tables.
func HasNFT() bool {
	// A transaction with nothing in it: all that is asked is who would do it.
	var batch []byte
	for i, kind := range []int{unix.NFNL_MSG_BATCH_BEGIN, unix.NFNL_MSG_BATCH_END} {
		m := netlink.Message{Data: []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES},
			Header: netlink.Header{Length: 20, Type: netlink.HeaderType(kind), Flags: netlink.Request, Sequence: uint32(i)}}
		b, err := m.MarshalBinary()
		if err != nil {
			return false
		}
		batch = append(batch, b...)
	}
	return Send(batch) == nil
}
