package cmd

import (
	"bytes"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSystemLog(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "log")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		t.Fatal(err)
	}
	timeout := unix.NsecToTimeval(int64(5 * time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		t.Fatal(err)
	}
	sys, err := openSystemLog(socket, "skiff")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(sys.fd)
	var shown bytes.Buffer
	l := Logger{w: &shown, level: levelWarn, system: sys}
	l.Info("not said at this level")
	l.Warn("half full")
	buf := make([]byte, 1024)
	n, err := unix.Read(fd, buf)
	if err != nil {
		t.Fatal(err)
	}
	want := `^<12>\w{3} [ \d]\d \d\d:\d\d:\d\d skiff\[\d+\]: level=warning msg="half full"$`
	if got := string(buf[:n]); !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("the system log got %q, want %s", got, want)
	}
	if !bytes.Contains(shown.Bytes(), []byte(`msg="half full"`)) {
		t.Errorf("standard error got %q", shown.String())
	}
	if _, err := openSystemLog(socket+"-none", "skiff"); err == nil {
		t.Error("a log that is not there was opened")
	}
}
