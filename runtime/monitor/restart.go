package monitor

import (
	"time"

	"skiff/state"
)

// Docker's back-off: the first restart comes after backoffMin, each further one
// after twice the time, and a run of steadyRun or more begins anew.
const (
	backoffMin = 100 * time.Millisecond
	backoffMax = time.Minute
	steadyRun  = 10 * time.Second
)

// restarter decides whether and when a container starts again.
type restarter struct {
	policy state.RestartPolicy
	count  int
	delay  time.Duration
}

// next says how long to wait for the next start after a run that ended with
// code; ok is false if there is to be none. asked says that a restart was asked
// for, whatever the policy.
func (r *restarter) next(code int, ran time.Duration, asked bool) (delay time.Duration, ok bool) {
	switch name := r.policy.Name; {
	case asked:
	case name == state.RestartAlways, name == state.RestartUnlessStopped:
	case name == state.RestartOnFailure:
		if code == 0 || r.policy.MaxRetries > 0 && r.count >= r.policy.MaxRetries {
			return 0, false
		}
	default:
		return 0, false
	}
	if ran >= steadyRun {
		r.delay = 0
	}
	r.delay = min(max(2*r.delay, backoffMin), backoffMax)
	r.count++
	return r.delay, true
}
