// Package rootless runs scripts as an ordinary user of this machine.
package rootless

import (
	"os"
	"os/exec"
	"testing"

	"skiff/tests/bed"
)

func TestRootless(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	dir := bed.Share(t)
	args := []string{"--cgroup", "--timeout", "840"}
	if _, err := os.Stat("/dev/net/tun"); err == nil {
		args = append(args, "--tun")
	}
	args = append(args, "sh", "-ec", bed.Command(dir, "rootless"))
	bed.Run(t, asUser, args...)
}

const asUser = "../testbed/rootless/as-user.sh"

// TestPlainUser: what a user is told who has no cgroups and no /dev/net/tun,
// and that the rest works without them.
func TestPlainUser(t *testing.T) { runShell(t, "plain.sh") }

// TestUserWithoutIDs: one mapped id is enough for images of one owner.
func TestUserWithoutIDs(t *testing.T) { runShell(t, "noids.sh", "--no-ids") }

// runShell runs a shell script of testdata as a user. It has the shared
// directory as $1 and prints what it does, see sh -x.
func runShell(t *testing.T, name string, options ...string) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	dir := bed.Share(t)
	script, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	args := append(options, "--timeout", "120", "sh", "-exc", string(script), name, dir)
	if out, err := exec.Command(asUser, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestUserNamespaces: containers with a user namespace of their own.
func TestUserNamespaces(t *testing.T) { runShell(t, "userns.sh") }
