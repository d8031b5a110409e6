package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"go.podman.io/image/v5/docker"
)

const (
	defaultRetries = 3
	firstDelay     = time.Second
)

// retries is how often and after which pause something is tried again.
type retries struct {
	most  int
	delay time.Duration // 0: one second, and twice as long each time
	// asked says that the user wants it, also where hope is small.
	asked bool
}

func (s *Session) retries() (retries, error) {
	r := retries{most: defaultRetries}
	if s.Req.Retry != nil {
		r.most, r.asked = *s.Req.Retry, true
	}
	if s.Req.RetryDelay != "" {
		d, err := time.ParseDuration(s.Req.RetryDelay)
		if err != nil {
			return r, err
		}
		r.delay = d
	}
	return r, nil
}

// retry does something about an image again, after a pause, as long as it fails
// for a reason that may pass. Podman: --retry, --retry-delay.
func (s *Session) retry(ctx context.Context, image string, do func() error) error {
	r, err := s.retries()
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		err := do()
		if err == nil || n >= r.most || !r.mayPass(err) || ctx.Err() != nil {
			return err
		}
		pause := r.delay
		if s.Req.RetryDelay == "" {
			pause = firstDelay << n
		}
		_, why := Cause(err)
		fmt.Fprintf(os.Stderr, "Failed, retrying in %s (%d of %d). Error: initializing the transfer of %s: %s\n", pause, n+1, r.most, image, why)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// mayPass reports whether a failure is of the kind that goes away by itself.
func (r retries) mayPass(err error) bool {
	var dns *net.DNSError
	var status docker.UnexpectedHTTPStatusError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, context.Canceled):
		return false
	case errors.Is(err, syscall.ECONNREFUSED):
		return r.asked
	case errors.As(err, &dns):
		// Mostly a machine without a network: its user wants to know at once.
		return r.asked && dns.IsTemporary
	case errors.As(err, &status):
		return status.StatusCode >= 500
	case errors.Is(err, docker.ErrTooManyRequests), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	}
	return errors.As(err, &timeout) && timeout.Timeout()
}
