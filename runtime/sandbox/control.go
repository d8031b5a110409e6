package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Root is the path of the container's root directory as the kernel shows it to
// others, for opening files in it. It is the container's to change: open it
// only through rootfs/safepath.
func (s *Sandbox) Root() string { return "/proc/" + strconv.Itoa(s.pid) + "/root" }

// Signal sends a signal to the first process. SIGKILL also thaws a paused
// container and, where the pid namespace is shared, ends all its processes.
func (s *Sandbox) Signal(sig syscall.Signal) error {
	if err := s.signal(sig); err != nil {
		return notRunning(fmt.Errorf("cannot signal the container: %w", err), err)
	}
	return nil
}

// Pause freezes all processes of the container, Resume thaws them.
func (s *Sandbox) Pause() error {
	if s.foreign == nil && s.runs() == nil && len(s.Cgroups()) == 0 {
		return errors.New("it has no cgroup of its own, which is what can be paused")
	}
	if err := s.control("pause"); err != nil {
		return notRunning(fmt.Errorf("cannot pause the container: %w", err), err)
	}
	return nil
}

// Resume lets a paused container go on.
func (s *Sandbox) Resume() error {
	if err := s.control("resume"); err != nil {
		return notRunning(fmt.Errorf("cannot resume the container: %w", err), err)
	}
	return nil
}

// Pids are all processes in the container's cgroup, by their numbers in the
// caller's namespace; without a cgroup of its own, those in its pid namespace.
func (s *Sandbox) Pids() ([]int, error) {
	pids, err := s.members()
	if err != nil {
		pids, err = s.relatives()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the container's processes: %w", err)
	}
	return pids, nil
}

// relatives are the processes in the first one's pid namespace; that one alone
// where the namespace is the caller's.
func (s *Sandbox) relatives() ([]int, error) {
	if err := s.runs(); err != nil {
		return nil, err
	}
	namespace := func(pid string) string {
		name, _ := os.Readlink("/proc/" + pid + "/ns/pid")
		return name
	}
	own := namespace(strconv.Itoa(s.pid))
	if own == "" || own == namespace("self") {
		return []int{s.pid}, nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && namespace(e.Name()) == own {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// control pauses or resumes.
func (s *Sandbox) control(verb string) error {
	switch {
	case s.foreign != nil:
		return s.foreign.run(s.foreign.command(verb, s.id))
	case verb == "pause":
		return s.container.Pause()
	}
	return s.container.Resume()
}

func (s *Sandbox) signal(sig syscall.Signal) error {
	if s.foreign == nil {
		return s.container.Signal(sig)
	}
	fd, err := unix.PidfdOpen(s.pid, 0)
	if err != nil {
		return ErrNotRunning
	}
	defer unix.Close(fd)
	if err := s.runs(); err != nil {
		return err
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
		return err
	}
	if sig == unix.SIGKILL {
		_ = s.control("resume") // fails where it is not paused
	}
	return nil
}

// members are the processes in the cgroups.
func (s *Sandbox) members() ([]int, error) {
	if s.foreign == nil {
		return s.container.Processes()
	}
	m, err := s.foreign.manager()
	if err != nil {
		return nil, err
	}
	return m.GetAllPids()
}

func notRunning(told, err error) error {
	if errors.Is(err, libcontainer.ErrNotRunning) || errors.Is(err, ErrNotRunning) {
		return fmt.Errorf("%w", ErrNotRunning)
	}
	return told
}

// Update changes the limits of a running container. r is made by spec.Limits;
// what is nil or zero in it stays as it is. Device rules are left alone.
func (s *Sandbox) Update(r *specs.LinuxResources) error {
	if s.foreign != nil {
		return s.foreign.update(r)
	}
	config := s.container.Config()
	fresh, err := specconv.CreateCgroupConfig(&specconv.CreateOpts{
		CgroupName: s.id,
		Spec:       &specs.Spec{Linux: &specs.Linux{Resources: r}},
	}, nil)
	if err != nil {
		return fmt.Errorf("cannot update the container: %w", err)
	}
	merged := merge(*config.Cgroups.Resources, fresh.Resources)
	group := *config.Cgroups
	group.Resources = &merged
	config.Cgroups = &group
	if err := s.container.Set(config); err != nil {
		return notRunning(fmt.Errorf("cannot update the container: %w", err), err)
	}
	return nil
}

// Cpusets are the CPUs and memory nodes that the container may use now, as lists
// such as 0-2,7; empty where no cgroup says so.
func (s *Sandbox) Cpusets() (cpus, mems string) {
	read := func(dir string, names ...string) string {
		for _, n := range names {
			if text, err := os.ReadFile(filepath.Join(dir, n)); err == nil {
				return strings.TrimSpace(string(text))
			}
		}
		return ""
	}
	for _, dir := range s.Cgroups() {
		// cgroup v2 says in the first file what it allows where nothing was asked for.
		if cpus == "" {
			cpus = read(dir, "cpuset.cpus.effective", "cpuset.cpus")
		}
		if mems == "" {
			mems = read(dir, "cpuset.mems.effective", "cpuset.mems")
		}
	}
	return cpus, mems
}

// merge puts the limits that are set in n over those of r.
func merge(r cgroups.Resources, n *cgroups.Resources) cgroups.Resources {
	over(&r.Memory, n.Memory)
	over(&r.MemorySwap, n.MemorySwap)
	over(&r.MemoryReservation, n.MemoryReservation)
	over(&r.CpuShares, n.CpuShares)
	over(&r.CpuWeight, n.CpuWeight)
	over(&r.CpuQuota, n.CpuQuota)
	over(&r.CpuPeriod, n.CpuPeriod)
	over(&r.CpuRtRuntime, n.CpuRtRuntime)
	over(&r.CpuRtPeriod, n.CpuRtPeriod)
	over(&r.CpusetCpus, n.CpusetCpus)
	over(&r.CpusetMems, n.CpusetMems)
	over(&r.PidsLimit, n.PidsLimit)
	over(&r.BlkioWeight, n.BlkioWeight)
	over(&r.MemorySwappiness, n.MemorySwappiness)
	if len(n.BlkioWeightDevice) > 0 {
		r.BlkioWeightDevice = n.BlkioWeightDevice
	}
	if len(n.BlkioThrottleReadBpsDevice) > 0 {
		r.BlkioThrottleReadBpsDevice = n.BlkioThrottleReadBpsDevice
	}
	if len(n.BlkioThrottleWriteBpsDevice) > 0 {
		r.BlkioThrottleWriteBpsDevice = n.BlkioThrottleWriteBpsDevice
	}
	if len(n.BlkioThrottleReadIOPSDevice) > 0 {
		r.BlkioThrottleReadIOPSDevice = n.BlkioThrottleReadIOPSDevice
	}
	if len(n.BlkioThrottleWriteIOPSDevice) > 0 {
		r.BlkioThrottleWriteIOPSDevice = n.BlkioThrottleWriteIOPSDevice
	}
	// The rules of the start stand; writing them again would briefly deny all.
	r.SkipDevices = true
	r.Freezer = cgroups.Undefined
	return r
}

func over[T comparable](to *T, from T) {
	var zero T
	if from != zero {
		*to = from
	}
}

// Destroy ends whatever still runs in the sandbox and removes its cgroups and
// its state. Doing it twice is no error.
func (s *Sandbox) Destroy() error {
	if err := s.end(); err != nil {
		return fmt.Errorf("cannot end the container's processes: %w", err)
	}
	destroy := s.container.Destroy
	if s.foreign != nil {
		destroy = s.foreign.destroy
	}
	if err := destroy(); err != nil {
		return fmt.Errorf("cannot remove the container's sandbox: %w", err)
	}
	if err := os.RemoveAll(s.StateDir()); err != nil {
		return fmt.Errorf("cannot remove the container's sandbox: %w", err)
	}
	return nil
}
