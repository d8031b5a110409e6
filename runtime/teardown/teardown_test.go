package teardown

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// hierarchies are cgroup mounts of this machine to try: a v1 one with a freezer
// and a v2 one.
func hierarchies(t *testing.T) map[string]string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make cgroups")
	}
	found := map[string]string{}
	for name, dirs := range map[string][]string{
		"v1": {"/sys/fs/cgroup/freezer"},
		"v2": {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"},
	} {
		for _, d := range dirs {
			var st unix.Statfs_t
			if unix.Statfs(d, &st) != nil {
				continue
			}
			if name == "v1" && st.Type == unix.CGROUP_SUPER_MAGIC || name == "v2" && st.Type == unix.CGROUP2_SUPER_MAGIC {
				found[name] = d
				break
			}
		}
	}
	if len(found) == 0 {
		t.Skip("no cgroup file system is mounted")
	}
	return found
}

// id is what marks a cgroup as a container's.
var id = strings.Repeat("5c", 32)

func TestCgroupsAreKilledAndRemoved(t *testing.T) {
	for version, root := range hierarchies(t) {
		for _, frozen := range []bool{false, true} {
			t.Run(version+" frozen "+strconv.FormatBool(frozen), func(t *testing.T) {
				dir := filepath.Join(root, "skiff-test-"+strconv.Itoa(os.Getpid())+"-"+id)
				deep := filepath.Join(dir, "a", "b")
				if err := os.MkdirAll(deep, 0o755); err != nil {
					t.Skipf("cannot make cgroups here: %v", err)
				}
				var cmds []*exec.Cmd
				for _, d := range []string{dir, deep, deep} {
					cmd := exec.Command("sleep", "60")
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					cmds = append(cmds, cmd)
					if err := os.WriteFile(filepath.Join(d, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
						t.Fatal(err)
					}
				}
				if frozen {
					write(filepath.Join(dir, "freezer.state"), "FROZEN")
					write(filepath.Join(dir, "cgroup.freeze"), "1")
				}
				done := make(chan error, len(cmds))
				for _, cmd := range cmds {
					go func() { done <- cmd.Wait() }()
				}
				needEngine, err := Run(state.Teardown{Cgroups: []string{dir, filepath.Join(root, "never-"+id)}})
				if err != nil || needEngine {
					t.Errorf("run: %v, need engine %v", err, needEngine)
				}
				for range cmds {
					if err := <-done; err == nil {
						t.Error("a process ended by itself")
					}
				}
				if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left", dir)
				}
			})
		}
	}
}

// A record that names another's cgroup is not believed.
func TestOtherCgroupsAreLeftAlone(t *testing.T) {
	for version, root := range hierarchies(t) {
		dir := filepath.Join(root, "skiff-test-other-"+strconv.Itoa(os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skipf("cannot make cgroups here: %v", err)
		}
		if _, err := Run(state.Teardown{Cgroups: []string{dir, dir + "/..", "relative-" + id}}); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		if err := os.Remove(dir); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestFilesAreRemovedAndLinksAreNotFollowed(t *testing.T) {
	root := t.TempDir()
	outside := filepath.Join(root, "outside")
	dir := filepath.Join(root, "dir")
	os.MkdirAll(outside, 0o700)
	os.MkdirAll(filepath.Join(dir, "sub"), 0o700)
	os.WriteFile(filepath.Join(outside, "keep"), nil, 0o600)
	os.Symlink(outside, filepath.Join(dir, "sub", "link"))
	needEngine, err := Run(state.Teardown{Files: []string{dir, filepath.Join(root, "gone")}, Engine: true})
	if err != nil || !needEngine {
		t.Errorf("run: %v, need engine %v", err, needEngine)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the directory is left")
	}
	if _, err := os.Lstat(filepath.Join(outside, "keep")); err != nil {
		t.Error("a file outside is gone")
	}
}

func TestADamagedBatchNeedsTheEngine(t *testing.T) {
	for _, b := range [][]byte{{1, 2, 3}, make([]byte, 64), []byte("................................")} {
		needEngine, err := Run(state.Teardown{Netlink: [][]byte{b}})
		if err == nil || !needEngine {
			t.Errorf("%v: %v, need engine %v", b, err, needEngine)
		}
	}
}

// message is one nfnetlink message for the inet family.
func message(typ, flags uint16, res uint16, attrs []byte) []byte {
	m := binary.NativeEndian.AppendUint32(nil, uint32(20+len(attrs)))
	m = binary.NativeEndian.AppendUint16(m, typ)
	m = binary.NativeEndian.AppendUint16(m, unix.NLM_F_REQUEST|flags)
	m = append(m, make([]byte, 8)...)
	m = append(m, unix.NFPROTO_INET, 0)
	m = binary.BigEndian.AppendUint16(m, res)
	return append(m, attrs...)
}

// name is a string attribute.
func name(typ uint16, s string) []byte {
	a := binary.NativeEndian.AppendUint16(nil, uint16(4+len(s)+1))
	a = binary.NativeEndian.AppendUint16(a, typ)
	a = append(append(a, s...), 0)
	for len(a)%4 != 0 {
		a = append(a, 0)
	}
	return a
}

func batch(msgs ...[]byte) []byte {
	b := message(batchBegin, 0, unix.NFNL_SUBSYS_NFTABLES, nil)
	for _, m := range msgs {
		b = append(b, m...)
	}
	return append(b, message(batchEnd, 0, unix.NFNL_SUBSYS_NFTABLES, nil)...)
}

// table is a message that makes or deletes a table.
func table(op uint16, tableName string) []byte {
	return message(unix.NFNL_SUBSYS_NFTABLES<<8|op, unix.NLM_F_ACK, 0, name(unix.NFTA_TABLE_NAME, tableName))
}

func TestFirewallBatches(t *testing.T) {
	const child = "SKIFF_TEST_IN_NETNS"
	if os.Getenv(child) == "" {
		if os.Geteuid() != 0 {
			t.Skip("needs root for a network namespace")
		}
		cmd := exec.Command("unshare", "-n", os.Args[0], "-test.run=^TestFirewallBatches$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	tables := func() string {
		out, err := exec.Command("nft", "list", "tables").CombinedOutput()
		if err != nil {
			t.Skipf("nft: %v: %s", err, out)
		}
		return string(out)
	}
	const newTable, delTable = unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE
	if err := sendBatch(batch(table(newTable, "one"), table(newTable, "two"), table(newTable, "three"))); err != nil {
		t.Fatal(err)
	}
	if got := tables(); got != "table inet one\ntable inet two\ntable inet three\n" {
		t.Fatalf("tables %q", got)
	}
	// The kernel refuses the batch for the missing one; the others still go.
	if err := sendBatch(batch(table(delTable, "one"), table(delTable, "missing"), table(delTable, "two"))); err != nil {
		t.Error(err)
	}
	if got := tables(); got != "table inet three\n" {
		t.Errorf("tables %q", got)
	}
	bad := batch(message(unix.NFNL_SUBSYS_NFTABLES<<8|0xee, unix.NLM_F_ACK, 0, nil))
	if err := sendBatch(bad); err == nil {
		t.Error("an unknown message is no error")
	}
}
