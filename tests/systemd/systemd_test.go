// Package systemd runs scripts on a machine with systemd and pure cgroup v2.
package systemd

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"skiff/tests/bed"
)

func TestSystemd(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	if out, err := exec.Command("dpkg-query", "-W", "base-files").Output(); err != nil || runtime.GOARCH != "amd64" || !debian() {
		t.Skipf("the systemd tier needs Debian on amd64 (%s)", out)
	}
	dir := bed.Share(t)
	// State is on the guest's disk; what is shared is read over hostfs.
	bed.Run(t, "../testbed/uml/run.sh", "--timeout", "450", "--share", dir, "--",
		"sh", "-ec", "cp -r /share /var/tmp/bed; "+bed.Command("/var/tmp/bed", "systemd"))
}

func debian() bool {
	_, err := os.Stat("/usr/share/keyrings/debian-archive-keyring.gpg")
	return err == nil
}
