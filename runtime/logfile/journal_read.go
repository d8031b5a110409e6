package logfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// journalIdle is for how long nothing must have come from the journal after the
// container's end for its log to be taken as whole.
const journalIdle = 300 * time.Millisecond

// readJournal reads a container's records from the journal through journalctl.
func readJournal(o ReadOptions, f func(Entry) error) error {
	var from string
	var err error
	if o.Tail > 0 {
		if from, err = journalTail(o); err != nil {
			return err
		}
		if from == "" {
			o.Tail = -1 // fewer lines than asked for: all of them
		}
	}
	r, stop, err := Journalctl(journalArgs(o, from)...)
	if err != nil {
		return err
	}
	defer stop()
	rd := &reader{decode: decodeJournal, o: o, f: f}
	buf := make([]byte, 64<<10)
	running := true
	for {
		if o.Follow {
			r.SetReadDeadline(time.Now().Add(journalIdle))
		}
		n, err := r.Read(buf)
		if n > 0 {
			if err := rd.records(buf[:n]); err != nil {
				if err == errUntil {
					return nil
				}
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && running && (o.Until.IsZero() || time.Now().Before(o.Until)):
			running = o.Running == nil || o.Running()
		default:
			return nil
		}
	}
}

// Journalctl runs journalctl, whose output is out; stop ends it.
func Journalctl(args ...string) (out *os.File, stop func(), err error) {
	path, err := journalctl()
	if err != nil {
		return nil, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	p, err := os.StartProcess(path, append([]string{"journalctl"}, args...), &os.ProcAttr{
		Files: []*os.File{nil, w, nil},
	})
	w.Close()
	if err != nil {
		r.Close()
		return nil, nil, fmt.Errorf("cannot read the journal: %w", err)
	}
	return r, func() {
		p.Kill()
		p.Wait()
		r.Close()
	}, nil
}

// journalTail finds the record with which the last o.Tail lines begin. A line
// in parts is several records, which journalctl would count as lines.
func journalTail(o ReadOptions) (cursor string, err error) {
	r, stop, err := Journalctl(append(journalMatch(o), "--reverse", "--output-fields=CONTAINER_PARTIAL_MESSAGE")...)
	if err != nil {
		return "", err
	}
	defer stop()
	lines, last := 0, ""
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxFileRecord)
	for scan.Scan() {
		var rec struct {
			Cursor  string `json:"__CURSOR"`
			Partial string `json:"CONTAINER_PARTIAL_MESSAGE"`
		}
		if json.Unmarshal(scan.Bytes(), &rec) != nil {
			continue
		}
		if rec.Partial == "" || lines == 0 {
			lines++
		}
		if lines > o.Tail {
			return last, nil
		}
		last = rec.Cursor
	}
	return "", scan.Err()
}

func journalctl() (string, error) {
	for _, dir := range []string{"/usr/bin", "/bin", "/run/current-system/sw/bin"} {
		path := dir + "/journalctl"
		if st, err := os.Stat(path); err == nil && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", errors.New("cannot read the journal: journalctl is not installed")
}

// journalMatch are the arguments that all calls have.
func journalMatch(o ReadOptions) []string {
	return []string{"--output=json", "--no-pager", "--quiet", "CONTAINER_ID_FULL=" + o.ID}
}

// journalArgs are those for reading, from a record on if one is named.
func journalArgs(o ReadOptions, from string) []string {
	args := append(journalMatch(o), "--all")
	switch {
	case from != "":
		args = append(args, "--cursor="+from)
	case !o.Since.IsZero(): // not together with a cursor; the reader looks at each entry, too
		args = append(args, "--since=@"+strconv.FormatInt(o.Since.Unix(), 10))
	}
	switch {
	case o.Tail == 0:
		args = append(args, "--lines=0")
	case o.Follow:
		args = append(args, "--lines=all")
	}
	if o.Follow {
		args = append(args, "--follow")
	}
	return args
}

// decodeJournal takes one line of journalctl's JSON apart. A message that is
// not text is an array of numbers there.
func decodeJournal(line []byte) (e Entry, ok bool) {
	var r struct {
		Message  json.RawMessage `json:"MESSAGE"`
		Time     string          `json:"__REALTIME_TIMESTAMP"`
		Priority string          `json:"PRIORITY"`
		Partial  string          `json:"CONTAINER_PARTIAL_MESSAGE"`
	}
	if json.Unmarshal(line, &r) != nil {
		return e, false
	}
	us, err := strconv.ParseInt(r.Time, 10, 64)
	if err != nil {
		return e, false
	}
	e.Time = time.UnixMicro(us)
	if r.Priority == "3" {
		e.Stream = Stderr
	}
	e.Partial = strings.EqualFold(r.Partial, "true")
	if e.Text, ok = journalText(r.Message); !ok {
		return e, false
	}
	if !e.Partial {
		e.Text = append(e.Text, '\n')
	}
	return e, true
}

func journalText(m json.RawMessage) ([]byte, bool) {
	if bytes.HasPrefix(m, []byte("[")) {
		var numbers []int
		if json.Unmarshal(m, &numbers) != nil {
			return nil, false
		}
		text := make([]byte, len(numbers))
		for i, n := range numbers {
			text[i] = byte(n)
		}
		return text, true
	}
	var text string
	err := json.Unmarshal(m, &text)
	return []byte(text), err == nil
}
