// Package systemd runs scripts on a machine with systemd and pure cgroup v2.
package systemd

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"skiff/tests/bed"
)

// share is what the machine reads over hostfs.
func share(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	if out, err := exec.Command("dpkg-query", "-W", "base-files").Output(); err != nil || runtime.GOARCH != "amd64" || !debian() {
		t.Skipf("the systemd tier needs Debian on amd64 (%s)", out)
	}
	return bed.Share(t)
}

func TestSystemd(t *testing.T) {
	dir := share(t)
	// State is on the guest's disk; what is shared is read over hostfs.
	bed.Run(t, "../testbed/uml/run.sh", "--timeout", "900", "--share", dir, "--",
		"sh", "-ec", "cp -r /share /var/tmp/bed; "+bed.Command("/var/tmp/bed", "systemd"))
}

// TestUser runs a shell script in the session of an ordinary user.
func TestUser(t *testing.T) {
	dir := share(t)
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("../testbed/uml/run.sh", "--timeout", "600", "--share", dir, "--",
		"sh", "-ex", "/share/session.sh", "sh", "-ex", "/share/user.sh", "/share").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func debian() bool {
	_, err := os.Stat("/usr/share/keyrings/debian-archive-keyring.gpg")
	return err == nil
}
