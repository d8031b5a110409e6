package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A notice is news of nf_tables that may mean that rules of ours are gone, or that
// others' have come which drop our packets: something was deleted of a table or of
// one of its chains or, with made, a chain was made or got another policy.
type notice struct {
	table, chain string // no chain stands for all of the table's
	gone, made   bool
}

// others are about what passForeign does.
func others() []notice {
	return []notice{
		{table: "filter", chain: "FORWARD", gone: true, made: true},
		{table: "firewalld", made: true},
	}
}

// Watch gives sockets for who wants to know when rules are to be restored: those of
// nf_tables are readable then, and nothing needs to be asked of them but to be read
// empty; those of the family AF_INET tell the number of rules in legacy tables
// (IPT_SO_GET_INFO). What starts and ends of containers change wakes nobody.
func (n *NFT) Watch() ([]*os.File, error) {
	return watch(append(others(), notice{table: n.Table, gone: true}))
}

// Watch is as NFT's.
func (t *IPTables) Watch() ([]*os.File, error) {
	ns := others()
	for _, l := range t.jumps() {
		ns = append(ns, notice{table: l.table, chain: l.chain, gone: true})
	}
	return watch(ns)
}

// Watch has nothing to watch.
func (None) Watch() ([]*os.File, error) { return nil, nil }

func watch(ns []notice) (files []*os.File, err error) {
	fd, err := listen(ns)
	if err != nil {
		return nil, fmt.Errorf("cannot watch the firewall: %w", err)
	}
	if fd >= 0 {
		files = append(files, os.NewFile(uintptr(fd), "news of the firewall"))
	}
	if !legacyFilter(false) {
		return files, nil
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		for _, f := range files {
			f.Close()
		}
		return nil, fmt.Errorf("cannot watch the firewall: %w", err)
	}
	return append(files, os.NewFile(uintptr(fd), "legacy firewall")), nil
}

// listen joins the group of nf_tables' news; -1 where the kernel has none.
func listen(ns []notice) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	program := filter(ns)
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		unix.Close(fd)
		return -1, nil // no nf_tables: there are rules in legacy tables only
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// deepest is how many messages of a datagram are looked at. What is longer is let
// through, unless it is about elements of sets.
const deepest = 8

// filter is a program in the classic BPF of the kernel: it lets datagrams through that
// have one of the notices among their messages. Where a message ends is told by its
// first two bytes; loading from beyond the datagram ends the program with "no".
func filter(ns []notice) (program []unix.SockFilter) {
	for range deepest {
		program = append(program, message(ns)...)
	}
	return append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: ^uint32(0)})
}

// Offsets in a message: a header of netlink's with its length and kind, four bytes of
// nfgenmsg, and the attributes, of which the first is the table's name and the second,
// in those of chains and rules, the chain's.
const (
	attributes = 20
	attrHeader = 4
)

// message looks at one message, the index register being where it begins, and moves
// the register on.
func message(ns []notice) []unix.SockFilter {
	kind, low, high := uint32(4), uint32(0), uint32(1)
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		kind, low, high = 5, 3, 2
	}
	b := &block{}
	b.load(unix.BPF_B, kind)
	for _, k := range []uint32{unix.NFT_MSG_NEWSETELEM, unix.NFT_MSG_DELSETELEM, unix.NFT_MSG_NEWGEN} {
		b.unless(k, 1)
		b.add(unix.BPF_RET|unix.BPF_K, 0)
	}
	for _, n := range ns {
		b.notice(n, kind)
	}
	b.load(unix.BPF_B, high)
	b.add(unix.BPF_ALU|unix.BPF_LSH|unix.BPF_K, 8)
	b.add(unix.BPF_ST, 0)
	b.load(unix.BPF_B, low)
	b.add(unix.BPF_STX, 1)
	b.add(unix.BPF_LDX|unix.BPF_MEM, 0)
	b.add(unix.BPF_ALU|unix.BPF_OR|unix.BPF_X, 0)
	b.add(unix.BPF_ALU|unix.BPF_ADD|unix.BPF_K, 3)
	b.add(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, ^uint32(3))
	b.add(unix.BPF_LDX|unix.BPF_MEM, 1)
	b.add(unix.BPF_ALU|unix.BPF_ADD|unix.BPF_X, 0)
	b.add(unix.BPF_MISC|unix.BPF_TAX, 0)
	return b.code
}

// A block is a piece of a program.
type block struct{ code []unix.SockFilter }

func (b *block) add(code uint16, k uint32) {
	b.code = append(b.code, unix.SockFilter{Code: code, K: k})
}

func (b *block) load(size uint16, offset uint32) {
	b.add(unix.BPF_LD|size|unix.BPF_IND, offset)
}

// unless leaves out the next skip steps where the accumulator is not k.
func (b *block) unless(k uint32, skip uint8) {
	b.code = append(b.code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jf: skip})
}

// notice ends the program with "yes" where the message is that.
func (b *block) notice(n notice, kind uint32) {
	inner := &block{}
	for _, part := range []struct {
		at   uint32
		text string
	}{{attributes + attrHeader, n.table}, {attributes + 2*attrHeader + padded(n.table), n.chain}} {
		if part.text == "" {
			continue
		}
		text := part.text + strings.Repeat("\x00", int(padded(part.text))-len(part.text))
		for i := 0; i < len(text); i += 4 {
			inner.load(unix.BPF_W, part.at+uint32(i))
			inner.unless(binary.BigEndian.Uint32([]byte(text[i:])), 0) // filled in below
		}
	}
	inner.add(unix.BPF_RET|unix.BPF_K, ^uint32(0))
	for i := range inner.code {
		if inner.code[i].Code == unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K {
			inner.code[i].Jf = uint8(len(inner.code) - 1 - i)
		}
	}
	var kinds []uint32
	if n.gone {
		kinds = append(kinds, unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELRULE)
	}
	if n.made {
		kinds = append(kinds, unix.NFT_MSG_NEWCHAIN)
	}
	b.load(unix.BPF_B, kind)
	for i, k := range kinds {
		// Equal: on to the names. The last one that is not: past them.
		step := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: uint8(len(kinds) - 1 - i)}
		if i == len(kinds)-1 {
			step.Jf = uint8(len(inner.code))
		}
		b.code = append(b.code, step)
	}
	b.code = append(b.code, inner.code...)
}

// padded is the room that a name and the byte after it take in an attribute.
func padded(s string) uint32 { return uint32(len(s)+1+3) &^ 3 }
