// Package signal knows the names of signals.
package signal

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Real-time signals as the C library counts them: it keeps the first two of
// the kernel's for itself.
const (
	sigRTMin = 34
	sigRTMax = 64
)

// Parse reads a signal's name, with or without SIG, in any case, or its
// number from 1 to 64. RTMIN+n and RTMAX-n are names too. Docker: --stop-signal,
// kill --signal.
func Parse(s string) (syscall.Signal, error) {
	bare := strings.TrimPrefix(s, "-") // as kill(1) has it: -9, -INT
	if n, err := strconv.Atoi(bare); err == nil {
		if n > sigRTMax {
			return 0, fmt.Errorf("invalid signal: %s: valid signals are 1 through %d", s, sigRTMax)
		}
		if n < 1 {
			return 0, fmt.Errorf("invalid signal: %s", s)
		}
		return syscall.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(bare), "SIG")
	if name == "RTMIN" || name == "RTMAX" {
		name += "+0"
	}
	if off, ok := strings.CutPrefix(name, "RTMIN+"); ok {
		return realtime(s, off, sigRTMin, 1)
	}
	if off, ok := strings.CutPrefix(name, "RTMAX-"); ok {
		return realtime(s, off, sigRTMax, -1)
	}
	if name == "RTMAX+0" {
		return sigRTMax, nil
	}
	if sig := unix.SignalNum("SIG" + name); sig != 0 && name != "" {
		return sig, nil
	}
	return 0, fmt.Errorf("invalid signal: %s", s)
}

func realtime(s, off string, base, sign int) (syscall.Signal, error) {
	n, err := strconv.ParseUint(off, 10, 8)
	if err != nil || n > sigRTMax-sigRTMin {
		return 0, fmt.Errorf("invalid signal: %s", s)
	}
	return syscall.Signal(base + sign*int(n)), nil
}
