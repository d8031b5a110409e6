package logfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
	native "skiff/state/journal"
)

func config(t testing.TB, driver string) state.LogConfig {
	return state.LogConfig{Driver: driver, Path: filepath.Join(t.TempDir(), "container.log"), MaxSize: -1, MaxFiles: 1}
}

func open(t testing.TB, cfg state.LogConfig) *Writer {
	t.Helper()
	w, err := Open(cfg, Meta{ID: strings.Repeat("a", 64), Name: "box"})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// all reads a log; each entry as "stream:text", joined.
func all(t testing.TB, cfg state.LogConfig, o ReadOptions) string {
	t.Helper()
	var b strings.Builder
	if err := Read(cfg, o, func(e Entry) error {
		b.WriteString(e.Stream.String()[3:] + ":" + string(e.Text))
		if e.Partial {
			b.WriteString("|")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var fileDrivers = []string{state.LogJSONFile, state.LogK8sFile}

func TestWhatIsWrittenIsRead(t *testing.T) {
	type chunk struct {
		s    Stream
		text string
	}
	long := strings.Repeat("x", maxLine)
	for _, tt := range []struct {
		name   string
		chunks []chunk
		want   string
	}{
		{"lines of both streams keep their order", []chunk{{Stdout, "a\nb\n"}, {Stderr, "c\n"}, {Stdout, "d\n"}}, "out:a\nout:b\nerr:c\nout:d\n"},
		{"a line may come in pieces", []chunk{{Stdout, "a"}, {Stderr, "x\n"}, {Stdout, "b"}, {Stdout, "c\nd\n"}}, "err:x\nout:abc\nout:d\n"},
		{"an empty line is a line", []chunk{{Stdout, "\n\na\n"}}, "out:\nout:\nout:a\n"},
		{"the last line needs no newline", []chunk{{Stdout, "a\nend"}}, "out:a\nout:end|"},
		{"a long line is parted", []chunk{{Stdout, long + "rest\n"}}, "out:" + long + "|out:rest\n"},
		{"a line of just the limit is whole", []chunk{{Stdout, long}, {Stdout, "\n"}}, "out:" + long + "\n"},
		{"a long line in pieces is parted", []chunk{{Stdout, long[:9000]}, {Stdout, long[:9000] + "\n"}}, "out:" + long + "|out:" + long[:18000-maxLine] + "\n"},
		{"a character is not parted", []chunk{{Stdout, long[1:] + "é!\n"}}, "out:" + long[1:] + "|out:é!\n"},
		{"special characters survive", []chunk{{Stdout, "\"\\\t\r<>&\x01\x7f\u2028 é 世\n"}}, "out:\"\\\t\r<>&\x01\x7f\u2028 é 世\n"},
	} {
		for _, driver := range fileDrivers {
			t.Run(driver+"/"+tt.name, func(t *testing.T) {
				cfg := config(t, driver)
				w := open(t, cfg)
				for _, c := range tt.chunks {
					w.Write(c.s, []byte(c.text))
				}
				w.Close()
				if got := all(t, cfg, ReadOptions{Tail: -1}); got != tt.want {
					t.Errorf("got %.200q, want %.200q", got, tt.want)
				}
			})
		}
	}
}

func TestFormats(t *testing.T) {
	at := time.Date(2024, 2, 3, 4, 5, 6, 70, time.UTC)
	for driver, want := range map[string]string{
		state.LogJSONFile: `{"log":"a \u003c\ufffd\"\n","stream":"stdout","time":"2024-02-03T04:05:06.00000007Z"}` + "\n" +
			`{"log":"tail","stream":"stderr","time":"2024-02-03T04:05:06.00000007Z"}` + "\n",
		state.LogK8sFile: "2024-02-03T04:05:06.000000070Z stdout F a <\xff\"\n2024-02-03T04:05:06.000000070Z stderr P tail\n",
	} {
		cfg := config(t, driver)
		w := open(t, cfg)
		w.now = func() time.Time { return at }
		w.Write(Stdout, []byte("a <\xff\"\n"))
		w.Write(Stderr, []byte("tail"))
		w.Close()
		got, err := os.ReadFile(cfg.Path)
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", driver, err, got, want)
		}
	}
}

func FuzzJSONRecord(f *testing.F) {
	f.Add([]byte("plain"), false)
	f.Add([]byte("\xff\x00\"\\\u2028<é"), true)
	f.Fuzz(func(t *testing.T, text []byte, partial bool) {
		if bytes.IndexByte(text, '\n') >= 0 || len(text) > maxLine {
			return
		}
		rec := appendJSON(nil, Stdout, time.Unix(1, 2).UTC(), text, partial)
		if len(rec) > maxRecord {
			t.Fatalf("record of %d bytes", len(rec))
		}
		var r struct{ Log string }
		if err := json.Unmarshal(rec, &r); err != nil {
			t.Fatalf("%q: %v", rec, err)
		}
		e, ok := decodeJSON(bytes.TrimSuffix(rec, []byte("\n")))
		if !ok || string(e.Text) != r.Log {
			t.Fatalf("read back %q, encoding/json says %q", e.Text, r.Log)
		}
	})
}

func numbered1(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "out:line %d\n", i)
	}
	return b.String()
}

func writeLines(w *Writer, from, to int) {
	for i := from; i < to; i++ {
		w.Write(Stdout, fmt.Appendf(nil, "line %d\n", i))
	}
}

func TestRotationBoundsTheLog(t *testing.T) {
	for _, driver := range fileDrivers {
		cfg := config(t, driver)
		cfg.MaxSize, cfg.MaxFiles = 1000, 3
		w := open(t, cfg)
		writeLines(w, 0, 500)
		w.Write(Stdout, bytes.Repeat([]byte("many lines in a chunk\n"), 300))
		w.Close()
		files, _ := filepath.Glob(cfg.Path + "*")
		if len(files) != 3 {
			t.Errorf("%s: files %v, want 3", driver, files)
		}
		for _, f := range files {
			if st, err := os.Stat(f); err != nil || st.Size() > 1000 {
				t.Errorf("%s: %s has %d bytes", driver, f, st.Size())
			}
		}
	}
}

func TestRotationLosesNothingThatFits(t *testing.T) {
	cfg := config(t, state.LogJSONFile)
	cfg.MaxSize, cfg.MaxFiles = 2000, 100
	w := open(t, cfg)
	writeLines(w, 0, 1000)
	w.Close()
	if got := all(t, cfg, ReadOptions{Tail: -1}); got != numbered1(1000) {
		t.Errorf("%d bytes", len(got))
	}
	for _, n := range []int{0, 1, 7, 30, 500, 999, 1000, 5000} {
		got := all(t, cfg, ReadOptions{Tail: n})
		if lines := strings.Count(got, "\n"); lines != min(n, 1000) || !strings.HasSuffix(numbered1(1000), got) {
			t.Errorf("tail %d: %d lines", n, lines)
		}
	}
}

func TestOneFileStartsOver(t *testing.T) {
	cfg := config(t, state.LogJSONFile)
	cfg.MaxSize, cfg.MaxFiles = 500, 1
	w := open(t, cfg)
	writeLines(w, 0, 100)
	w.Close()
	got := all(t, cfg, ReadOptions{Tail: -1})
	if !strings.HasSuffix(got, "line 99\n") || len(got) > 500 {
		t.Errorf("got %q", got)
	}
}

func TestTailOfALogWithoutLastNewline(t *testing.T) {
	cfg := config(t, state.LogJSONFile)
	w := open(t, cfg)
	w.Write(Stdout, []byte("a\nb\nend"))
	w.Close()
	if got := all(t, cfg, ReadOptions{Tail: 2}); got != "out:b\nout:end|" {
		t.Errorf("got %q", got)
	}
}

func TestSinceAndUntil(t *testing.T) {
	cfg := config(t, state.LogK8sFile)
	w := open(t, cfg)
	at := time.Unix(1000, 0)
	w.now = func() time.Time { at = at.Add(time.Second); return at }
	writeLines(w, 1, 11)
	w.Close()
	got := all(t, cfg, ReadOptions{Tail: -1, Since: time.Unix(1003, 0), Until: time.Unix(1005, 0)})
	if got != "out:line 3\nout:line 4\nout:line 5\n" {
		t.Errorf("got %q", got)
	}
}

func TestFollowThroughRotation(t *testing.T) {
	cfg := config(t, state.LogJSONFile)
	cfg.MaxSize, cfg.MaxFiles = 5000, 200
	w := open(t, cfg)
	writeLines(w, 0, 10)
	var running atomic.Bool
	running.Store(true)
	got := make(chan string, 1)
	seen := make(chan struct{}, 10000)
	go func() {
		var b strings.Builder
		err := Read(cfg, ReadOptions{Tail: -1, Follow: true, Running: running.Load}, func(e Entry) error {
			b.WriteString("out:" + string(e.Text))
			seen <- struct{}{}
			return nil
		})
		got <- b.String() + fmt.Sprint(err)
	}()
	for range 10 {
		<-seen
	}
	writeLines(w, 10, 3000)
	for range 2000 {
		<-seen
	}
	writeLines(w, 3000, 4000)
	w.Close()
	running.Store(false)
	select {
	case text := <-got:
		if text != numbered1(4000)+"<nil>" {
			t.Errorf("%d bytes, want %d", len(text), len(numbered1(4000)))
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the follower does not end")
	}
}

func TestFollowALogThatComesLater(t *testing.T) {
	cfg := config(t, state.LogJSONFile)
	stop := errors.New("seen")
	done := make(chan error, 1)
	go func() {
		done <- Read(cfg, ReadOptions{Tail: 0, Follow: true}, func(e Entry) error { return stop })
	}()
	w := open(t, cfg)
	defer w.Close()
	for deadline := time.After(20 * time.Second); ; {
		w.Write(Stdout, []byte("x\n"))
		select {
		case err := <-done:
			if err != stop {
				t.Errorf("error %v", err)
			}
			return
		case <-deadline:
			t.Fatal("nothing was seen")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestReopenAfterAMove(t *testing.T) {
	cfg := config(t, state.LogJSONFile)
	w := open(t, cfg)
	w.Write(Stdout, []byte("old\n"))
	if err := os.Rename(cfg.Path, cfg.Path+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := w.Reopen(); err != nil {
		t.Fatal(err)
	}
	w.Write(Stdout, []byte("new\n"))
	w.Close()
	if got := all(t, cfg, ReadOptions{Tail: -1}); got != "out:new\n" {
		t.Errorf("got %q", got)
	}
}

func TestAFullDiskCostsLinesAndSaysSo(t *testing.T) {
	cfg := config(t, state.LogJSONFile)
	w := open(t, cfg)
	w.Write(Stdout, []byte("before\n"))
	f := w.sink.(*file)
	good := f.fd
	full, err := unix.Open("/dev/full", unix.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.fd = full
	w.Write(Stdout, []byte("lost 1\nlost 2\n"))
	w.Write(Stdout, []byte("lost 3\n"))
	unix.Close(full)
	f.fd = good
	w.Write(Stdout, []byte("after\n"))
	w.Close()
	got := all(t, cfg, ReadOptions{Tail: -1})
	want := "out:before\nerr:skiff: 3 lines were lost because the log could not be written\nout:after\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestATornRecordIsNotMixedWithTheNext(t *testing.T) {
	cfg := config(t, state.LogJSONFile)
	if err := os.WriteFile(cfg.Path, []byte(`{"log":"half`), 0o600); err != nil {
		t.Fatal(err)
	}
	w := open(t, cfg)
	w.Write(Stdout, []byte("whole\n"))
	w.Close()
	if got := all(t, cfg, ReadOptions{Tail: -1}); got != "out:whole\n" {
		t.Errorf("got %q", got)
	}
}

func TestNoLogIsEmptyAndOddFilesAreRefused(t *testing.T) {
	cfg := config(t, state.LogJSONFile)
	if got := all(t, cfg, ReadOptions{Tail: 5}); got != "" {
		t.Errorf("got %q", got)
	}
	if err := unix.Mkfifo(cfg.Path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg, Meta{}); err == nil {
		t.Error("a fifo was taken for a log")
	}
	if _, err := Open(state.LogConfig{Driver: "syslog"}, Meta{}); err == nil || !strings.Contains(err.Error(), `"syslog"`) {
		t.Errorf("error %v", err)
	}
}

func TestJournalFields(t *testing.T) {
	j := &journal{cfg: state.LogConfig{}, meta: Meta{
		ID: strings.Repeat("b", 64), Name: "box", Image: "img", Labels: map[string]string{
			"com.x-y": "v", "1": "no", "_": "no", "priority": "0", "message": "no", "container.name": "no", "_SYSLOG_IDENTIFIER": "no",
		},
	}}
	j.setFields()
	var got []string
	for rest := j.fields; len(rest) > 0; {
		name, r, ok := bytes.Cut(rest, []byte("\n"))
		if !ok || len(r) < 8 {
			t.Fatalf("fields %q", j.fields)
		}
		n := int(r[0])
		got = append(got, string(name)+"="+string(r[8:8+n]))
		rest = r[8+n+1:]
	}
	want := "CONTAINER_ID=bbbbbbbbbbbb CONTAINER_ID_FULL=" + strings.Repeat("b", 64) +
		" CONTAINER_NAME=box CONTAINER_TAG=bbbbbbbbbbbb IMAGE_NAME=img SYSLOG_IDENTIFIER=bbbbbbbbbbbb COM_X_Y=v"
	if strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
}

func TestJournalDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	srv, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(srv)
	if err := unix.Bind(srv, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	conn, err := native.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	w := &Writer{sink: &journal{conn: conn}, now: time.Now}
	w.Write(Stderr, []byte("hello\n"+strings.Repeat("y", maxLine+1)+"\n"))
	for _, want := range []string{"hello", strings.Repeat("y", maxLine), "y"} {
		buf := make([]byte, 1<<20)
		n, err := unix.Read(srv, buf)
		head := native.AppendField(nil, "MESSAGE", []byte(want))
		if err != nil || !bytes.HasPrefix(buf[:n], append(head, "PRIORITY=3\n"...)) {
			t.Errorf("datagram %.60q (%v)", buf[:n], err)
		}
		if partial := bytes.Contains(buf[:n], []byte("CONTAINER_PARTIAL_MESSAGE=true\n")); partial != (len(want) == maxLine) {
			t.Errorf("partial %v for a line of %d", partial, len(want))
		}
	}
	w.Close()
}

func TestJournalMessagesThatAreNotText(t *testing.T) {
	e, ok := decodeJournal([]byte(`{"MESSAGE":[104,105,255],"__REALTIME_TIMESTAMP":"1700000000000001","PRIORITY":"3"}`))
	if !ok || string(e.Text) != "hi\xff\n" || e.Stream != Stderr || e.Time.UnixMicro() != 1700000000000001 {
		t.Errorf("%+v %v", e, ok)
	}
}

func BenchmarkWrite(b *testing.B) {
	cfg := config(b, state.LogJSONFile)
	cfg.MaxSize, cfg.MaxFiles = 10<<20, 3
	w := open(b, cfg)
	defer w.Close()
	chunk := []byte(strings.Repeat("a line of some forty characters or so "+strconv.Itoa(7)+"\n", 800))
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		w.Write(Stdout, chunk)
	}
}
