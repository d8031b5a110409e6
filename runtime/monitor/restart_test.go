package monitor

import (
	"testing"
	"time"

	"skiff/state"
)

func TestRestarter(t *testing.T) {
	const never = -1
	type run struct {
		code int
		ran  time.Duration
		want time.Duration
	}
	for _, tt := range []struct {
		name   string
		policy state.RestartPolicy
		runs   []run
	}{
		{"no policy never restarts", state.RestartPolicy{}, []run{{1, 0, never}}},
		{"no never restarts", state.RestartPolicy{Name: "no"}, []run{{1, 0, never}}},
		{"on-failure lets success be", state.RestartPolicy{Name: "on-failure"}, []run{{0, 0, never}}},
		{"on-failure counts", state.RestartPolicy{Name: "on-failure", MaxRetries: 2},
			[]run{{1, 0, 100 * time.Millisecond}, {1, 0, 200 * time.Millisecond}, {1, 0, never}}},
		{"always doubles the wait up to a minute", state.RestartPolicy{Name: "always"},
			[]run{{0, 0, 100e6}, {0, 0, 200e6}, {0, 0, 400e6}, {0, 0, 800e6}, {0, 0, 1600e6}, {0, 0, 3200e6},
				{0, 0, 6400e6}, {0, 0, 12800e6}, {0, 0, 25600e6}, {0, 0, 51200e6}, {0, 0, time.Minute}, {0, 0, time.Minute}}},
		{"a steady run begins anew", state.RestartPolicy{Name: "unless-stopped"},
			[]run{{0, 0, 100e6}, {0, 0, 200e6}, {0, 10 * time.Second, 100e6}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := restarter{policy: tt.policy}
			for i, run := range tt.runs {
				got, ok := r.next(run.code, run.ran, false)
				if !ok {
					got = never
				}
				if got != run.want {
					t.Errorf("run %d: wait %v, want %v", i, got, run.want)
				}
			}
		})
	}
}
