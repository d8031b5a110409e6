// Package rootless runs scripts as an ordinary user of this machine.
package rootless

import (
	"os"
	"testing"

	"skiff/tests/bed"
)

func TestRootless(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	dir := bed.Share(t)
	args := []string{"--cgroup", "--timeout", "420"}
	if _, err := os.Stat("/dev/net/tun"); err == nil {
		args = append(args, "--tun")
	}
	args = append(args, "sh", "-ec", bed.Command(dir, "rootless"))
	bed.Run(t, "../testbed/rootless/as-user.sh", args...)
}
