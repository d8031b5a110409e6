package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/sandbox"
	"skiff/state"
	"skiff/state/process"
)

// Stats are what a container uses.
type Stats struct {
	ID, Name string
	// Running is false for a container without processes; all numbers are 0 then.
	Running bool
	// CPUPercent is the processor time since the sample before, of one processor's
	// time meanwhile; CPUAverage since the container's start.
	CPUPercent, CPUAverage float64
	// CPUTime is the processor time since the start, CPUKernel the kernel's part.
	CPUTime, CPUKernel time.Duration
	// Taken is when the numbers were read.
	Taken time.Time
	// Memory and MemoryLimit are bytes; without a limit it is the machine's memory.
	Memory, MemoryLimit int64
	// Network holds the container's own interfaces but the loopback.
	Network map[string]NetworkCounters
	// BlockRead and BlockWrite are bytes.
	BlockRead, BlockWrite int64
	Pids                  int64
}

// NetworkCounters are what an interface received and sent, in bytes.
type NetworkCounters struct{ Received, Sent int64 }

// MemoryPercent is the part of the limit that is used.
func (s Stats) MemoryPercent() float64 {
	if s.MemoryLimit == 0 {
		return 0
	}
	return 100 * float64(s.Memory) / float64(s.MemoryLimit)
}

// Meter reads what containers use, again and again.
type Meter struct {
	engine *Engine
	total  int64 // the machine's memory
	last   map[string]sample
}

// sample is the processor time of a run of a container at a time.
type sample struct {
	at  time.Time
	run uint64 // start of the first process: another run counts from 0
	cpu uint64
}

// Meter makes a meter that has not read anything yet.
func (e *Engine) Meter() *Meter {
	return &Meter{engine: e, total: meminfo()["MemTotal"], last: map[string]sample{}}
}

// Read reads the containers of ids in their order, leaving out what is gone. The
// first reading of a container has no sample before it: its share of the
// processor is that since its start.
func (m *Meter) Read(ctx context.Context, ids []string) ([]Stats, error) {
	type result struct {
		stats Stats
		now   sample
		err   error
	}
	all := make([]result, len(ids))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, id := range ids {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			all[i].stats, all[i].now, all[i].err = m.engine.usage(ctx, id)
		})
	}
	wg.Wait()
	var list []Stats
	var errs []error
	for i := range all {
		r := &all[i]
		if errors.Is(r.err, state.ErrNotFound) {
			continue
		}
		if r.err != nil {
			errs = append(errs, r.err)
			continue
		}
		if r.stats.Running {
			before := m.last[r.stats.ID]
			r.stats.CPUPercent = r.stats.CPUAverage
			if spent := r.now.at.Sub(before.at); before.run == r.now.run && spent > 0 && r.now.cpu >= before.cpu {
				r.stats.CPUPercent = 100 * float64(r.now.cpu-before.cpu) / float64(spent)
			}
			m.last[r.stats.ID] = r.now
			if r.stats.MemoryLimit == 0 || m.total > 0 && r.stats.MemoryLimit > m.total {
				r.stats.MemoryLimit = m.total
			}
		}
		list = append(list, r.stats)
	}
	return list, errors.Join(errs...)
}

// usage reads the counters of one container.
func (e *Engine) usage(ctx context.Context, id string) (Stats, sample, error) {
	st, err := e.status(ctx, id)
	if err != nil {
		return Stats{}, sample{}, err
	}
	cfg, err := e.Store.Load(id)
	if err != nil {
		return Stats{}, sample{}, err
	}
	out := Stats{ID: id, Name: cfg.Name}
	if st.Phase != state.Running && st.Phase != state.Paused {
		return out, sample{}, nil
	}
	counted, err := e.counters(id)
	now := time.Now()
	if err != nil {
		if after, serr := e.Store.Status(id); serr == nil && (!after.Phase.Active() || after.PidStart != st.PidStart) {
			return out, sample{}, nil // it ended meanwhile
		}
		return out, sample{}, fmt.Errorf("cannot measure container %s: %w", cfg.Name, err)
	}
	out.Running = true
	out.CPUTime, out.CPUKernel, out.Taken = time.Duration(counted.CPU), time.Duration(counted.CPUKernel), now
	if up := now.Sub(st.StartedAt); up > 0 {
		out.CPUAverage = 100 * float64(counted.CPU) / float64(up)
	}
	out.Memory, out.MemoryLimit = int64(counted.Memory), int64(counted.MemoryLimit)
	out.BlockRead, out.BlockWrite = int64(counted.BlockRead), int64(counted.BlockWrite)
	out.Pids = int64(counted.Pids)
	if cfg.Network.Mode != state.ModeHost {
		out.Network = networkCounters(st)
	}
	return out, sample{now, st.PidStart, counted.CPU}, nil
}

func (e *Engine) counters(id string) (sandbox.Stats, error) {
	box, err := sandbox.Load(e.Roots.Sandboxes(), id)
	if err != nil {
		return sandbox.Stats{}, err
	}
	return box.Stats()
}

// networkCounters reads the counters of the interfaces in a container's network
// namespace, by way of its first process.
func networkCounters(st state.Status) map[string]NetworkCounters {
	fd, err := process.Open(st.Pid, st.PidStart)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	data, err := os.ReadFile("/proc/" + strconv.Itoa(st.Pid) + "/net/dev")
	if err != nil || unix.PidfdSendSignal(fd, 0, nil, 0) != nil {
		return nil // it ended, so the file may have been another process's
	}
	return parseNetDev(string(data))
}

// parseNetDev reads /proc/net/dev, see proc_pid_net(5): two lines of headings,
// then a line for each interface, with the bytes received first and the bytes
// sent ninth.
func parseNetDev(text string) map[string]NetworkCounters {
	all := map[string]NetworkCounters{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if name = strings.TrimSpace(name); !ok || name == "lo" || len(fields) < 9 {
			continue
		}
		received, err := strconv.ParseInt(fields[0], 10, 64)
		sent, err2 := strconv.ParseInt(fields[8], 10, 64)
		if err == nil && err2 == nil {
			all[name] = NetworkCounters{received, sent}
		}
	}
	return all
}
