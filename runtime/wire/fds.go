package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// MaxFDs bounds the descriptors that travel with one frame.
const MaxFDs = 250

// RightsSize is the room in bytes that MaxFDs descriptors need on their way.
const RightsSize = 24 + 4*MaxFDs // unix.CmsgSpace of them, at least

// SendAll is SendFDs with as many descriptors as there are: what is too many for one
// frame goes ahead of it.
func SendAll(sock int, k Kind, v any, fds []int) error {
	for len(fds) > MaxFDs {
		if err := SendFDs(sock, KindDescriptors, nil, fds[:MaxFDs]); err != nil {
			return err
		}
		fds = fds[MaxFDs:]
	}
	return SendFDs(sock, k, v, fds)
}

// SendFDs sends v as one frame over the unix stream socket sock, with open
// descriptors.
func SendFDs(sock int, k Kind, v any, fds []int) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(data) > MaxFrame || len(fds) > MaxFDs {
		return fmt.Errorf("cannot send a frame of %d bytes and %d descriptors", len(data), len(fds))
	}
	buf := make([]byte, 5+len(data))
	buf[0] = byte(k)
	binary.BigEndian.PutUint32(buf[1:5], uint32(len(data)))
	copy(buf[5:], data)
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	for {
		n, err := unix.SendmsgN(sock, buf, oob, nil, unix.MSG_NOSIGNAL)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == len(buf) {
			return nil
		}
		buf, oob = buf[n:], nil
	}
}

// ReceiveFDs receives one frame sent by SendFDs. The descriptors are
// close-on-exec and the caller's to close, also on error.
func ReceiveFDs(sock int) (k Kind, payload []byte, fds []int, err error) {
	return ReceiveFDsIn(sock, make([]byte, RightsSize))
}

// ReceiveFDsIn is ReceiveFDs for who has RightsSize bytes at hand, which it
// writes over.
func ReceiveFDsIn(sock int, oob []byte) (k Kind, payload []byte, fds []int, err error) {
	read := func(want int) ([]byte, error) {
		buf := make([]byte, want)
		for got := 0; got < want; {
			n, oobn, _, _, err := unix.Recvmsg(sock, buf[got:], oob, unix.MSG_CMSG_CLOEXEC)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return nil, err
			}
			fds = append(fds, ParseRights(oob[:oobn])...)
			if n == 0 {
				return nil, errors.New("the other side closed")
			}
			got += n
		}
		return buf, nil
	}
	head, err := read(5)
	if err != nil {
		return 0, nil, fds, err
	}
	n := binary.BigEndian.Uint32(head[1:5])
	if n > MaxFrame {
		return 0, nil, fds, fmt.Errorf("cannot receive a frame of %d bytes", n)
	}
	payload, err = read(int(n))
	return Kind(head[0]), payload, fds, err
}

// ParseRights gives the descriptors in a message's control data.
func ParseRights(oob []byte) (fds []int) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range msgs {
		if got, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}
