package libpod

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"skiff/libpod/inspect"
	"skiff/state"
)

// ListOptions say which containers a list has.
type ListOptions struct {
	// All lists containers that do not run, too. Docker: ps -a.
	All bool
	// Last lists the n containers that were made last, whatever their state; 0
	// means no such bound. Docker: ps --last.
	Last    int
	Filters []Filter
	// Size measures the writable layers, which reads all of them.
	Size bool
	// Leaving lists containers that are being removed, too. Nothing else finds those.
	Leaving bool
	// Namespaces finds out the ids of the namespaces. Podman: ps --ns.
	Namespaces bool
}

// Container is one container of a list.
type Container = inspect.Container

// ContainerList reads the containers' records, the oldest first. It takes no
// lock, and leaves out what disappears meanwhile.
func (e *Engine) ContainerList(opt ListOptions) ([]Container, error) {
	match, anyState, err := e.containerFilter(opt.Filters)
	if err != nil {
		return nil, err
	}
	all, err := e.survey(opt.Leaving)
	if err != nil {
		return nil, err
	}
	list := all[:0]
	for i := range all {
		c := &all[i]
		if match(*c) && (opt.All || opt.Last > 0 || anyState || c.Status.Phase.Up()) {
			list = append(list, *c)
		}
	}
	if opt.Last > 0 && len(list) > opt.Last {
		list = list[len(list)-opt.Last:]
	}
	for i := range list {
		if opt.Size && list[i].Status.Phase != state.Removing {
			if err := e.measure(&list[i]); err != nil {
				return nil, err
			}
		}
		if opt.Namespaces && list[i].Status.Phase.Active() {
			list[i].Namespaces = namespaceIDs(list[i].Status.Pid, list[i].Status.PidStart)
		}
	}
	return list, nil
}

// containers reads all records, by as many readers as there are processors: a
// thousand of them are to be there before anybody notices. Of the configs only
// what lists show is there, see state.SurveyReader.Ended.
func (e *Engine) containers() ([]Container, error) { return e.survey(false) }

// survey is containers, with leaving also those that are being removed.
func (e *Engine) survey(leaving bool) ([]Container, error) {
	e.warnOf(e.repairSteps(context.Background()))
	survey, err := e.Store.Survey()
	if err != nil {
		return nil, err
	}
	defer survey.Close()
	ids := survey.IDs
	found := make([]*Container, len(ids))
	errs := make([]error, len(ids))
	var next atomic.Int64
	var group sync.WaitGroup
	read := func() {
		reader := survey.Reader()
		for i := int(next.Add(1)) - 1; i < len(ids); i = int(next.Add(1)) - 1 {
			found[i], errs[i] = e.listed(reader, ids[i])
			if leaving && errors.Is(errs[i], state.ErrNotFound) {
				found[i] = e.leaving(ids[i])
			}
		}
	}
	for range min(runtime.GOMAXPROCS(0)-1, len(ids)/16) {
		group.Go(read)
	}
	read() // a thread takes longer to start than a few records to read
	group.Wait()
	for i, err := range errs {
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			// One damaged record must not hide the others.
			e.warn(fmt.Sprintf("cannot read container %s: %v", ids[i], err))
		}
	}
	return oldestFirst(found), nil
}

// oldestFirst gives those that are there, the oldest first.
func oldestFirst(found []*Container) []Container {
	found = slices.DeleteFunc(found, func(c *Container) bool { return c == nil })
	slices.SortFunc(found, func(a, b *Container) int {
		if n := a.Config.Created.Compare(b.Config.Created); n != 0 {
			return n
		}
		return compareText(a.Config.ID, b.Config.ID)
	})
	list := make([]Container, len(found))
	for i, c := range found {
		list[i] = *c
	}
	return list
}

// listed reads one container for a list.
func (e *Engine) listed(reader *state.SurveyReader, id string) (*Container, error) {
	if cfg, st, ok := reader.Ended(id); ok {
		c := &Container{Config: cfg, Status: state.Live{Status: st}, Roots: e.Roots}
		e.health(c)
		return c, nil
	}
	c, err := e.container(id)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// leaving is a container that is being removed, nil if there is none.
func (e *Engine) leaving(id string) *Container {
	cfg, err := e.Store.Leaving(id)
	if err != nil {
		return nil
	}
	return &Container{Config: cfg, Status: state.Live{Status: state.Status{Phase: state.Removing}}, Roots: e.Roots}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// container reads one container. What is not there any more has no Config.
func (e *Engine) container(id string) (Container, error) {
	cfg, err := e.Store.Load(id)
	if err != nil {
		return Container{}, err
	}
	live, err := e.Store.Status(id)
	if err == nil && (live.Lost || !live.Phase.Active() && e.halfStarted(id)) {
		// What it left running is ended before it is shown as exited.
		if err := e.tryRepair(context.Background(), id); err != nil {
			e.warn(err.Error())
		}
		if cfg, err = e.Store.Load(id); err != nil {
			return Container{}, err // it was to be removed at its end
		}
		live, err = e.Store.Status(id)
	}
	if err != nil {
		return Container{}, err
	}
	c := Container{Config: cfg, Status: live, Roots: e.Roots}
	e.health(&c)
	return c, nil
}

// Latest is the id of the container that was made last. Podman: --latest.
func (e *Engine) Latest() (string, error) {
	all, err := e.containers()
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", state.Errorf(state.ErrNotFound, "there is no container to take as the latest")
	}
	return all[len(all)-1].Config.ID, nil
}
