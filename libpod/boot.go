package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"skiff/state"
	"skiff/state/jsonfile"
)

// bootParallel bounds how many containers start at a time at boot.
const bootParallel = 16

// Boot starts the containers that run from boot on and do not run, several at a
// time, those that others need first. told gets the name of each and what went
// wrong with it; it is not called by two goroutines at once.
func (e *Engine) Boot(ctx context.Context, told func(name string, err error)) error {
	all, err := e.containers()
	if err != nil {
		return err
	}
	var left []*state.Config
	for _, c := range all {
		if c.Status.Phase.Active() || !e.startsAtBoot(c) {
			continue
		}
		cfg, err := e.Store.Load(c.Config.ID) // lists leave most of it out
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			told(c.Config.Name, err)
			continue
		}
		left = append(left, cfg)
	}
	for len(left) > 0 {
		wave, rest := nextWave(left)
		e.startWave(ctx, wave, told)
		if err := ctx.Err(); err != nil {
			return err
		}
		left = rest
	}
	return nil
}

// startsAtBoot reports whether a container is to run after a boot.
//
// One that was never started is not, nor one that the user stopped, whatever its
// policy: Docker's daemon starts those with always again. With on-failure it
// depends on how the last run ended: what the machine's end cut short goes on,
// what ended by itself has had its retries.
func (e *Engine) startsAtBoot(c Container) bool {
	st, policy := c.Status, c.Config.Restart
	if st.Phase == state.Created || st.Phase == state.Dead {
		return false
	}
	switch policy.Name {
	case state.RestartAlways, state.RestartUnlessStopped:
		return !e.stoppedByUser(c.Config.ID)
	case state.RestartOnFailure:
		if e.stoppedByUser(c.Config.ID) {
			return false
		}
		left := policy.MaxRetries == 0 || st.RestartCount < policy.MaxRetries
		return st.Interrupted || st.Phase.Active() || st.ExitCode != 0 && left
	}
	return false
}

// stoppedByUser reads what the user wanted last. A record that a power cut took
// was that of a container that ran.
func (e *Engine) stoppedByUser(id string) bool {
	var d state.Desired
	err := jsonfile.Read(e.Roots.Container(id).Desired(), &d)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		e.warn(err.Error())
	}
	return err == nil && d.State == state.DesiredStopped
}

// nextWave splits off the containers that need none of the others. Where all
// need another, which takes a file edited by hand, all are next, and their
// starts say what is wrong.
func nextWave(left []*state.Config) (wave, rest []*state.Config) {
	waits := func(c *state.Config) bool {
		return slices.ContainsFunc(left, func(o *state.Config) bool {
			return o != c && slices.Contains(c.Dependencies(), o.ID)
		})
	}
	for _, c := range left {
		if waits(c) {
			rest = append(rest, c)
		} else {
			wave = append(wave, c)
		}
	}
	if len(wave) == 0 {
		return rest, nil
	}
	return wave, rest
}

// startWave starts containers that do not need each other.
func (e *Engine) startWave(ctx context.Context, wave []*state.Config, told func(string, error)) {
	var mu sync.Mutex // guards told
	var group sync.WaitGroup
	places := make(chan struct{}, bootParallel)
	for _, cfg := range wave {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			_, err := e.Start(ctx, cfg.ID, StartOptions{})
			if err != nil && !strings.Contains(err.Error(), cfg.Name) {
				err = fmt.Errorf("cannot start container %s: %w", cfg.Name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			told(cfg.Name, err)
		})
	}
	group.Wait()
}
