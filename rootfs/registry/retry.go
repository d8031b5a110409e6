package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"go.podman.io/image/v5/docker"
)

const (
	defaultRetries = 3
	firstDelay     = time.Second
)

// retry does something again, after a growing pause, as long as it fails for a
// reason that may pass. Podman: --retry, --retry-delay.
func (s *Session) retry(ctx context.Context, do func() error) error {
	tries, delay := defaultRetries, time.Duration(0)
	if s.Req.Retry != nil {
		tries = *s.Req.Retry
	}
	if s.Req.RetryDelay != "" {
		d, err := time.ParseDuration(s.Req.RetryDelay)
		if err != nil || d < 0 {
			return fmt.Errorf("invalid retry delay %q", s.Req.RetryDelay)
		}
		delay = d
	}
	for n := 0; ; n++ {
		err := do()
		if err == nil || n >= tries || !mayPass(err) || ctx.Err() != nil {
			return err
		}
		pause := delay
		if pause == 0 {
			pause = firstDelay << n
		}
		_, why := Cause(err)
		fmt.Fprintf(s.Report, "trying again in %s: %s\n", pause, why)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// mayPass reports whether a failure is of the kind that goes away by itself.
func mayPass(err error) bool {
	var dns *net.DNSError
	var status docker.UnexpectedHTTPStatusError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &dns):
		return dns.IsTemporary
	case errors.As(err, &status):
		return status.StatusCode >= 500
	case errors.Is(err, docker.ErrTooManyRequests), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	}
	return errors.As(err, &timeout) && timeout.Timeout()
}
