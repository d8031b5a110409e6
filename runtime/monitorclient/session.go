package monitorclient

import (
	"encoding/json"
	"fmt"
	"io"

	"skiff/runtime/wire"
	"skiff/state"
)

// stdinChunk bounds one frame of input.
const stdinChunk = 32 << 10

// Session is a connection that takes part in a program's streams, or waits for
// its end. WriteStdin, CloseStdin, Resize and Close may be called beside Run.
type Session struct {
	conn     *Conn
	status   state.Status
	warnings []string
}

// Status is the program's status when the session began.
func (s *Session) Status() state.Status { return s.status }

// Warnings are lines for the user from the start: what was asked for and done
// without.
func (s *Session) Warnings() []string { return s.warnings }

// Close detaches: the program goes on.
func (s *Session) Close() error { return s.conn.Close() }

// WriteStdin gives p to the program's standard input.
func (s *Session) WriteStdin(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), stdinChunk)
		if err := s.conn.write(wire.KindStdin, p[:n]); err != nil {
			return gone(err)
		}
		p = p[n:]
	}
	return nil
}

// CloseStdin says that this client has no more input.
func (s *Session) CloseStdin() error { return s.conn.write(wire.KindStdinEOF, nil) }

// Resize sets the terminal's size.
func (s *Session) Resize(z wire.Size) error { return s.conn.writeJSON(wire.KindResize, z) }

// Run copies output until the program has ended. A failure to write the output
// is returned; the program goes on then.
func (s *Session) Run(stdout, stderr io.Writer) (state.Status, error) {
	for {
		st, done, err := s.step(stdout, stderr)
		if done || err != nil {
			return st, err
		}
	}
}

// step handles one frame.
func (s *Session) step(stdout, stderr io.Writer) (st state.Status, done bool, err error) {
	k, payload, err := wire.ReadFrame(s.conn.r)
	if err != nil {
		return st, false, gone(err)
	}
	switch k {
	case wire.KindStdout:
		_, err = stdout.Write(payload)
	case wire.KindStderr:
		_, err = stderr.Write(payload)
	case wire.KindExited:
		if err := json.Unmarshal(payload, &st); err != nil {
			return st, false, fmt.Errorf("cannot read the container's status: %w", err)
		}
		return st, true, nil
	case wire.KindFailed:
		return st, false, failure(payload)
	case wire.KindReply:
		var r wire.Reply
		if json.Unmarshal(payload, &r) == nil && r.Error != "" {
			return st, false, fmt.Errorf("%s: %w", r.Error, state.ErrNotFound)
		}
	}
	return st, false, err
}

// awaitStart waits for the news that the program runs. Output comes after it.
func (s *Session) awaitStart() error {
	k, payload, err := wire.ReadFrame(s.conn.r)
	if err != nil {
		return gone(err)
	}
	switch k {
	case wire.KindStarted:
		var st wire.Started
		if err := json.Unmarshal(payload, &st); err != nil {
			return fmt.Errorf("cannot read the container's status: %w", err)
		}
		s.status, s.warnings = st.Status, st.Warnings
		return nil
	case wire.KindFailed:
		return failure(payload)
	}
	return fmt.Errorf("the container's monitor sent a message of kind %q", byte(k))
}

func failure(payload []byte) error {
	var f wire.Failure
	if err := json.Unmarshal(payload, &f); err != nil {
		return fmt.Errorf("cannot read why the start failed: %w", err)
	}
	return f
}
