package stage

import (
	"slices"
	"testing"
)

func TestKernelMounts(t *testing.T) {
	const info = `22 27 0:21 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
31 22 0:7 / /sys/kernel/security rw,nosuid shared:8 - securityfs securityfs rw
32 22 0:8 / /sys/kernel/debug rw,nosuid shared:9 - debugfs debugfs rw
33 32 0:12 / /sys/kernel/debug/tracing rw,nosuid shared:10 - tracefs tracefs rw
34 22 0:13 / /sys/kernelish rw - tmpfs none rw
35 22 0:29 / /sys/fs/cgroup ro - tmpfs tmpfs ro
`
	want := []string{"/sys/kernel/debug/tracing", "/sys/kernel/debug", "/sys/kernel/security"}
	if got := kernelMounts([]byte(info)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := kernelMounts(nil); len(got) > 0 {
		t.Errorf("got %q of nothing", got)
	}
}
