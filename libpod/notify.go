package libpod

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// notifier tells the service manager that started this command about a
// container, see sd_notify(3). The zero value tells nobody.
type notifier struct {
	socket string
	// relay says that the container speaks for itself, through the monitor.
	relay bool
	// healthy says that the monitor tells when the container is healthy.
	healthy bool
}

// newNotifier reads the environment. Without a wish of the user's it looks
// whether systemd itself started this process: a command somewhere in a service
// must not take the service over.
func newNotifier(cfg *state.Config, env func(string) string) (notifier, error) {
	socket := env("NOTIFY_SOCKET")
	if socket == "" || cfg.Notify == state.NotifyIgnore {
		return notifier{}, nil
	}
	if exec := env("SYSTEMD_EXEC_PID"); cfg.Notify == "" && exec != "" && exec != strconv.Itoa(os.Getpid()) {
		return notifier{}, nil
	}
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") {
		return notifier{}, fmt.Errorf("cannot use NOTIFY_SOCKET=%q: it is neither a path nor an abstract socket", socket)
	}
	return notifier{socket: socket, relay: cfg.Notify == state.NotifyContainer, healthy: cfg.Notify == state.NotifyHealthy}, nil
}

// spawned is called when there is a monitor, which becomes the service's main
// process. Where the monitor or the container says that it is ready systemd has to
// know it before.
func (n notifier) spawned(pid int) error {
	if !n.relay && !n.healthy {
		return nil
	}
	return n.send(fmt.Sprintf("MAINPID=%d", pid))
}

// started is called when the container's program begins. It is one message:
// after a change of the main process systemd does not listen to this one.
func (n notifier) started(pid int) error {
	if n.socket == "" || n.relay || n.healthy {
		return nil
	}
	return n.send(fmt.Sprintf("MAINPID=%d\nREADY=1", pid))
}

func (n notifier) send(message string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		err = unix.Sendto(fd, []byte(message), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: n.socket})
	}
	if err != nil {
		return fmt.Errorf("cannot notify the service manager through %s: %w", n.socket, err)
	}
	return nil
}
