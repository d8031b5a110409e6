package signal

import (
	"os"
	ossignal "os/signal"
	"syscall"
)

// Unignore has SIGHUP and SIGINT mean the usual in processes that are started
// from now on, where this one was told to ignore them: a shell does so for what
// it runs in the background, nohup for SIGHUP. A container is not the shell's
// job. This process goes on to ignore them.
func Unignore() {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if ossignal.Ignored(sig) {
			ossignal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}
