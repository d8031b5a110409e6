package sandbox

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs2"
)

// statsV2 reads a directory with these files as a cgroup v2 directory.
func statsV2(t *testing.T, files map[string]string) Stats {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cgroups.TestMode = true // the directory is no cgroup2 file system
	defer func() { cgroups.TestMode = false }()
	m, err := fs2.NewManager(&cgroups.Cgroup{Resources: &cgroups.Resources{}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := m.GetStats()
	if err != nil {
		t.Fatal(err)
	}
	return convertStats(all)
}

// The files are as the kernel writes them: Documentation/admin-guide/cgroup-v2.rst,
// with the examples of io.stat from there.
func TestStatsOfCgroupV2(t *testing.T) {
	files := map[string]string{
		"cgroup.controllers": "cpuset cpu io memory pids\n",
		"cgroup.procs":       "17\n18\n",
		"cpu.stat": "usage_usec 2500000\nuser_usec 1500000\nsystem_usec 1000000\ncore_sched.force_idle_usec 0\n" +
			"nr_periods 40\nnr_throttled 3\nthrottled_usec 70000\nnr_bursts 0\nburst_usec 0\n",
		"io.stat": "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n" +
			"8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021\n",
		"memory.stat": "anon 1000000\nfile 700000\nkernel 100000\ninactive_anon 0\nactive_anon 1000000\ninactive_file 500000\n" +
			"active_file 200000\nworkingset_refault_file 1\n",
		"memory.current": "1800000\n", "memory.max": "67108864\n", "memory.peak": "2000000\n",
		"memory.swap.current": "4096\n", "memory.swap.max": "max\n",
		"pids.current": "2\n", "pids.max": "100\n",
	}
	want := Stats{
		CPU: 2_500_000_000, CPUUser: 1_500_000_000, CPUKernel: 1_000_000_000,
		Periods: 40, ThrottledPeriods: 3, Throttled: 70_000_000,
		Memory: 1_300_000, MemoryCache: 700_000, MemoryMax: 2_000_000, MemoryLimit: 64 << 20,
		Pids: 2, PidsLimit: 100,
		BlockRead: 1459200 + 90430464, BlockWrite: 314773504 + 299008000,
	}
	if got := statsV2(t, files); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	// No limits, and an old kernel without memory.peak.
	files["memory.max"], files["pids.max"] = "max\n", "max\n"
	delete(files, "memory.peak")
	delete(files, "memory.swap.current")
	delete(files, "memory.swap.max")
	want.MemoryLimit, want.PidsLimit, want.MemoryMax = 0, 0, 0
	if got := statsV2(t, files); !reflect.DeepEqual(got, want) {
		t.Errorf("without limits: got  %+v\nwant %+v", got, want)
	}
}

// An ordinary user may have no controllers: what the kernel counts in every
// cgroup is there, the rest is 0.
func TestStatsOfCgroupV2WithoutControllers(t *testing.T) {
	got := statsV2(t, map[string]string{
		"cgroup.controllers": "\n", "cgroup.procs": "17\n18\n19\n",
		"cpu.stat": "usage_usec 30\nuser_usec 10\nsystem_usec 20\n",
	})
	want := Stats{CPU: 30_000, CPUUser: 10_000, CPUKernel: 20_000, Pids: 3}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
