package place

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// chmod is what --chmod says.
type chmod struct {
	// absolute says that it is a number, mode.
	absolute bool
	mode     uint32
	clauses  []clause
}

// clause is one part of a symbolic mode, such as "g+w": for the bits of who, op
// the permissions.
type clause struct {
	who  uint32 // of 0o7777
	op   byte   // + - =
	perm string
}

// parseChmod reads an octal or a symbolic mode, chmod(1); nil is for an empty one.
func parseChmod(s string) (*chmod, error) {
	if s == "" {
		return nil, nil
	}
	if n, err := strconv.ParseUint(s, 8, 32); err == nil || s[0] >= '0' && s[0] <= '9' {
		if err != nil || n > 0o7777 {
			return nil, fmt.Errorf("invalid --chmod %q: it is an octal number from 0 to 07777, or like u=rwX,go=rX", s)
		}
		return &chmod{absolute: true, mode: uint32(n)}, nil
	}
	c := &chmod{}
	for _, part := range strings.Split(s, ",") {
		clauses, ok := parseClauses(part)
		if !ok {
			return nil, fmt.Errorf("invalid --chmod %q: it is an octal number from 0 to 07777, or like u=rwX,go=rX", s)
		}
		c.clauses = append(c.clauses, clauses...)
	}
	return c, nil
}

const (
	bitsUser  = unix.S_ISUID | 0o700
	bitsGroup = unix.S_ISGID | 0o070
	bitsOther = unix.S_ISVTX | 0o007
)

func parseClauses(s string) (out []clause, ok bool) {
	who := uint32(0)
	i := 0
	for ; i < len(s); i++ {
		bits, ok := map[byte]uint32{'u': bitsUser, 'g': bitsGroup, 'o': bitsOther, 'a': 0o7777}[s[i]]
		if !ok {
			break
		}
		who |= bits
	}
	if who == 0 {
		who = 0o7777
	}
	for i < len(s) {
		op := s[i]
		if op != '+' && op != '-' && op != '=' {
			return nil, false
		}
		end := i + 1
		for end < len(s) && strings.IndexByte("rwxXstugo", s[end]) >= 0 {
			end++
		}
		out = append(out, clause{who, op, s[i+1 : end]})
		i = end
	}
	return out, len(out) > 0
}

// apply gives the mode that a file of that mode gets; both with the type.
func (c *chmod) apply(mode uint32) uint32 {
	if c == nil {
		return mode & 0o7777
	}
	if c.absolute {
		return c.mode
	}
	dir := mode&unix.S_IFMT == unix.S_IFDIR
	m := mode & 0o7777
	for _, cl := range c.clauses {
		bits := cl.bits(m, dir)
		switch cl.op {
		case '+':
			m |= bits
		case '-':
			m &^= bits
		case '=':
			clear := cl.who
			if dir { // chmod(1): a directory keeps these unless they are named
				clear &^= unix.S_ISUID | unix.S_ISGID
			}
			m = m&^clear | bits
		}
	}
	return m
}

// bits are those that the clause speaks of, for a file of mode m.
func (cl clause) bits(m uint32, dir bool) uint32 {
	all := uint32(0)
	for i := range len(cl.perm) {
		switch cl.perm[i] {
		case 'r':
			all |= 0o444
		case 'w':
			all |= 0o222
		case 'x':
			all |= 0o111
		case 'X':
			if dir || m&0o111 != 0 {
				all |= 0o111
			}
		case 's':
			all |= unix.S_ISUID | unix.S_ISGID
		case 't':
			all |= unix.S_ISVTX
		case 'u':
			all |= m >> 6 & 7 * 0o111
		case 'g':
			all |= m >> 3 & 7 * 0o111
		case 'o':
			all |= m & 7 * 0o111
		}
	}
	return all & cl.who
}
