package monitor

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
)

// cutMark follows output that was cut off, as in Docker.
const cutMark = "..."

// stageGrace is how long a check that is to end may take to begin.
const stageGrace = 10 * time.Second

// check is one run of a health check's command.
type check struct {
	m       *monitor
	started time.Time
	limit   time.Duration
	output  capture
	mark    bool // show where output was cut off
	done    func(state.HealthResult)

	x        *execution // nil once it has ended
	stage    *stage     // nil once the command is reported
	timer    *timer
	late     bool // it took too long
	canceled bool // nobody wants to know any more
}

// capture is the beginning of a program's output.
type capture struct {
	max  int
	text []byte
	cut  bool
}

func (c *capture) add(p []byte) {
	n := min(len(p), c.max-len(c.text))
	c.text = append(c.text, p[:n]...)
	c.cut = c.cut || n < len(p)
}

// String is the output as text. What a cut left of a character is dropped.
func (c *capture) String() string {
	text := c.text
	for i := 0; c.cut && i < utf8.UTFMax && len(text) > 0; i++ {
		if r, n := utf8.DecodeLastRune(text); r != utf8.RuneError || n != 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return string(text)
}

// run starts the command the way exec starts a program.
func (k *check) run(spec json.RawMessage) {
	s := newSession(k.m)
	s.keep = &k.output
	st, err := k.m.spawnStage(s, stageOptions{verb: "exec-stage"})
	if err != nil {
		k.ended(-1, "cannot run the health check: "+err.Error())
		return
	}
	k.timer = k.m.loop.after(k.limit, k.expire)
	k.stage = st
	k.x = k.m.execute(st, s, &wire.Exec{Spec: spec})
	k.x.check = k
}

// expire ends a check that takes too long; its end is reported when it is reaped.
func (k *check) expire() {
	k.timer = nil
	k.late = true
	k.kill()
}

// cancel ends a check whose result nobody wants.
func (k *check) cancel() {
	k.canceled = true
	k.m.loop.stop(k.timer)
	k.kill()
}

// kill ends the command with all that it started. A stage that is about to start
// it is let do so, since only it knows the command's number; one that hangs is
// killed.
func (k *check) kill() {
	if st := k.stage; st != nil {
		k.timer = k.m.loop.after(stageGrace, func() { unix.Kill(st.pid, unix.SIGKILL) }) // our child, not reaped
	} else if k.x != nil {
		killTree(k.x.pid)
	}
}

// begun is called when the stage has ended and the command runs.
func (k *check) begun() {
	k.stage = nil
	if k.late || k.canceled {
		k.m.loop.stop(k.timer)
		k.kill()
	}
}

// ended is called when the command was reaped, or could not be run.
func (k *check) ended(code int, text string) {
	k.m.loop.stop(k.timer)
	k.timer, k.x, k.stage = nil, nil, nil
	if k.canceled {
		return
	}
	if k.late {
		code, text = -1, k.lateText(text)
	} else if k.mark && k.output.cut {
		text += cutMark
	}
	k.done(state.HealthResult{Start: k.started, End: time.Now().UTC(), ExitCode: code, Output: text})
}

// lateText is Docker's.
func (k *check) lateText(text string) string {
	out := fmt.Sprintf("Health check exceeded timeout (%v)", k.limit)
	if text != "" {
		out += ": " + text
	}
	return out
}
