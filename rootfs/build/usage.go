package build

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/recipe"
	"skiff/state"
)

// do does a step, and with --log-rusage says what it has used: a RUN's program, or for
// other steps this process meanwhile, in the words of buildah.
func (s *solver) do(ctx context.Context, w *work, into *cache.Work, v vertical) error {
	if !s.opt.LogUsage {
		return w.do(ctx, into, v)
	}
	began, before := time.Now(), ownUsage()
	err := w.do(ctx, into, v)
	used := w.used
	if w.step.Kind != recipe.StepRun {
		used = ownUsage().Since(before)
	}
	took := time.Since(began)
	fmt.Fprintf(v.Stdout(), "%v(system) %v(user) %v(elapsed) %s input %s output\n", used.System.Round(time.Millisecond),
		used.User.Round(time.Millisecond), took.Round(time.Millisecond), size(used.Input), size(used.Output))
	return err
}

func ownUsage() state.Usage {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return state.Usage{}
	}
	return state.UsageOf(u.Utime.Nano(), u.Stime.Nano(), u.Inblock, u.Oublock)
}

// size is a number of bytes for people.
func size(n int64) string {
	f, unit := float64(n), 0
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	for ; f >= 1000 && unit < len(units)-1; unit++ {
		f /= 1000
	}
	return fmt.Sprintf("%.4g%s", f, units[unit])
}
