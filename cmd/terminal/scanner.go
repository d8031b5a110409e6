package terminal

import (
	"io"

	"skiff/libpod/attach"
)

// Scanner reads what the user types and ends with attach.ErrDetached when the
// detach keys come up. Bytes that turn out not to be the whole sequence are
// passed on in order: none is lost, and none is held back longer than it takes
// to see the next.
type Scanner struct {
	r    io.Reader
	keys []byte
	// matched is how many of keys the input ends with so far; those bytes are
	// held back.
	matched int
	// ready are bytes that did not fit into the caller's buffer.
	ready []byte
	// end is what Read returns when ready is empty.
	end error
}

// NewScanner reads from r until keys; without keys it ends with r.
func NewScanner(r io.Reader, keys []byte) *Scanner { return &Scanner{r: r, keys: keys} }

// Read implements io.Reader.
func (s *Scanner) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.ready) == 0 {
		if s.end != nil {
			return 0, s.end
		}
		buf := make([]byte, max(len(p), 512))
		n, err := s.r.Read(buf)
		s.scan(buf[:n])
		if err != nil && s.end == nil {
			s.flush()
			s.end = err
		}
	}
	n := copy(p, s.ready)
	s.ready = s.ready[n:]
	return n, nil
}

// scan sorts bytes into those to pass on and those to hold back. What comes
// after the whole sequence was not meant for the container.
func (s *Scanner) scan(in []byte) {
	if len(s.keys) == 0 {
		s.ready = append(s.ready, in...)
		return
	}
	for _, b := range in {
		for s.matched > 0 && s.keys[s.matched] != b {
			s.shift()
		}
		if s.keys[s.matched] != b {
			s.ready = append(s.ready, b)
			continue
		}
		if s.matched++; s.matched == len(s.keys) {
			s.matched = 0
			s.end = attach.ErrDetached
			return
		}
	}
}

// shift passes on as many of the held bytes as it takes for the rest to be a
// beginning of keys again.
func (s *Scanner) shift() {
	held := s.keys[:s.matched]
	for n := s.matched - 1; n >= 0; n-- {
		if string(held[s.matched-n:]) == string(s.keys[:n]) {
			s.ready = append(s.ready, held[:s.matched-n]...)
			s.matched = n
			return
		}
	}
}

// flush passes on what is held back: the input has ended.
func (s *Scanner) flush() {
	s.ready = append(s.ready, s.keys[:s.matched]...)
	s.matched = 0
}
