package cmd

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// syslogSocket is where the system log listens, see syslog(3).
const syslogSocket = "/dev/log"

// syslogUser is the facility of programs like this one, see syslog(3).
const syslogUser = 1 << 3

// severities are those of syslog(3) for our levels.
var severities = [...]int{2, 2, 3, 4, 6, 7, 7}

// systemLog sends messages to the system log. Podman: --syslog.
type systemLog struct {
	fd  int
	tag string
}

// openSystemLog connects to the system log, which stays open until the program
// ends.
func openSystemLog(socket, tag string) (*systemLog, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the system log: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot reach the system log at %s: %w", socket, err)
	}
	return &systemLog{fd: fd, tag: tag}, nil
}

// send gives up rather than wait for a log that does not read: the message is on
// standard error too.
func (s *systemLog) send(level int, text string) {
	line := fmt.Appendf(nil, "<%d>%s %s[%d]: %s", syslogUser|severities[level], time.Now().Format(time.Stamp), s.tag, os.Getpid(), text)
	_ = unix.Sendto(s.fd, line, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
}
