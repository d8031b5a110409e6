package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// Check tells a health stage what to do. It is the text of the file that is the
// stage's descriptor 3, which all checks of a run share; what a check came to is
// the stage's exit status, see Outcome.
type Check struct {
	// Pid and StartedAt are those of the run (state.Status).
	Pid       int       `json:"pid"`
	StartedAt time.Time `json:"startedAt"`
	// OpenFiles is the soft limit of open files that the command gets; 0 leaves the
	// stage's own.
	OpenFiles uint64 `json:"openFiles"`
	// Launch is what the monitor is there for; its Health is not nil.
	Launch Launch `json:"launch"`
}

// CheckText is the text of a Check with a Launch that has its text already. It
// does not use encoding/json, which would keep what it learns of the types.
func CheckText(c *Check, launch []byte) []byte {
	text := make([]byte, 0, len(launch)+128)
	text = append(text, `{"pid":`...)
	text = strconv.AppendInt(text, int64(c.Pid), 10)
	text = append(text, `,"startedAt":"`...)
	text = c.StartedAt.AppendFormat(text, time.RFC3339Nano)
	text = append(text, `","openFiles":`...)
	text = strconv.AppendUint(text, c.OpenFiles, 10)
	text = append(text, `,"launch":`...)
	text = append(text, launch...)
	return append(text, '}')
}

// ReadCheck reads a Check from a descriptor. It leaves the descriptor's offset,
// which the descriptors of other stages share.
func ReadCheck(fd int) (*Check, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("cannot read what to check: %w", err)
	}
	if st.Size > 2*MaxFrame {
		return nil, fmt.Errorf("cannot read what to check: it has %d bytes", st.Size)
	}
	data := make([]byte, st.Size)
	for got := 0; got < len(data); {
		n, err := unix.Pread(fd, data[got:], int64(got))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return nil, fmt.Errorf("cannot read what to check: %w", errors.Join(err, errors.New("it is cut off")))
		}
		got += n
	}
	c := new(Check)
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("cannot understand what to check: %w", err)
	}
	if c.Launch.Health == nil {
		return nil, errors.New("cannot understand what to check: there is no health check")
	}
	return c, nil
}

// Outcome is what a health check came to.
type Outcome struct {
	// Status is the container's health after it; empty for a check that says
	// nothing, since the container ended.
	Status string
	// Word is how the check itself went: healthy, unhealthy, or starting for a
	// startup check that failed.
	Word string
	// Act says that the container is to be treated as unhealthy ones are.
	Act bool
	// StartupPassed says that the startup check has succeeded in this run.
	StartupPassed bool
}

// The parts of an exit status that is an Outcome.
const (
	outcomeMark   = 1 << 7
	outcomePassed = 1 << 5
	outcomeAct    = 1 << 4
	outcomeWord   = 1 << 2 // times the word's number
	outcomeStatus = 1      // times the status's number
)

// healthWords are the words that an Outcome can have; the index is the number.
func healthWords() [4]string {
	return [4]string{"", state.HealthStarting, state.HealthHealthy, state.HealthUnhealthy}
}

// ExitStatus is the outcome as an exit status. No program that fails has it, but
// for one that chose to: Go's and skiff's are below.
func (o Outcome) ExitStatus() int {
	words := healthWords()
	n := outcomeMark
	n += outcomeStatus * max(slices.Index(words[:], o.Status), 0)
	n += outcomeWord * max(slices.Index(words[:], o.Word), 0)
	if o.Act {
		n += outcomeAct
	}
	if o.StartupPassed {
		n += outcomePassed
	}
	return n
}

// ParseOutcome gives the outcome that an exit status is; false if it is none. It
// allocates nothing.
func ParseOutcome(status int) (o Outcome, ok bool) {
	if status < outcomeMark || status >= outcomeMark+2*outcomePassed {
		return Outcome{}, false
	}
	words := healthWords()
	return Outcome{
		Status: words[status/outcomeStatus%4], Word: words[status/outcomeWord%4],
		Act: status&outcomeAct != 0, StartupPassed: status&outcomePassed != 0,
	}, true
}
