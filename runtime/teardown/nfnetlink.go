package teardown

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Message types that frame a batch, see linux/netfilter/nfnetlink.h.
const (
	batchBegin = 0x10 // NFNL_MSG_BATCH_BEGIN
	batchEnd   = 0x11 // NFNL_MSG_BATCH_END
	msgHeader  = 16   // sizeof(struct nlmsghdr)
)

// sendBatch sends one nfnetlink transaction. What it deletes may be gone
// already: then the kernel refuses the whole batch, and its messages are sent
// one by one.
func sendBatch(batch []byte) error {
	if len(batch) == 0 {
		return nil
	}
	msgs, err := splitBatch(batch)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("cannot reach the firewall: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("cannot reach the firewall: %w", err)
	}
	err = exchange(fd, batch)
	if !errors.Is(err, unix.ENOENT) || len(msgs) <= 3 {
		return ignoreGone(err)
	}
	begin, end := msgs[0], msgs[len(msgs)-1]
	var errs []error
	for _, m := range msgs[1 : len(msgs)-1] {
		one := append(append(append([]byte{}, begin...), m...), end...)
		errs = append(errs, ignoreGone(exchange(fd, one)))
	}
	return errors.Join(errs...)
}

func ignoreGone(err error) error {
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fmt.Errorf("cannot take firewall rules away: %w", err)
}

// splitBatch cuts a batch into its messages; the first begins it and the last
// ends it.
func splitBatch(b []byte) (msgs [][]byte, err error) {
	for len(b) >= msgHeader {
		n := int(binary.NativeEndian.Uint32(b))
		if n < msgHeader || n > len(b) {
			break
		}
		n = min((n+3)&^3, len(b))
		msgs = append(msgs, b[:n:n])
		b = b[n:]
	}
	bad := len(b) != 0 || len(msgs) < 2 || msgType(msgs[0]) != batchBegin || msgType(msgs[len(msgs)-1]) != batchEnd
	if bad {
		return nil, errors.New("cannot take firewall rules away: the recorded batch is damaged")
	}
	return msgs, nil
}

func msgType(m []byte) uint16 { return binary.NativeEndian.Uint16(m[4:6]) }

// exchange sends a batch and gives the first error that the kernel reports. The
// kernel has carried the batch out when send returns, so all its answers are
// there to be read.
func exchange(fd int, batch []byte) error {
	if err := unix.Sendto(fd, batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	var first error
	buf := make([]byte, 16<<10)
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
		if err := firstError(buf[:n]); first == nil {
			first = err
		}
	}
}

// firstError finds the first message in b that reports an error.
func firstError(b []byte) error {
	for len(b) >= msgHeader+4 {
		n := int(binary.NativeEndian.Uint32(b))
		if n < msgHeader || n > len(b) {
			return nil
		}
		if msgType(b) == unix.NLMSG_ERROR {
			if code := int32(binary.NativeEndian.Uint32(b[msgHeader:])); code != 0 {
				return unix.Errno(-code)
			}
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}
