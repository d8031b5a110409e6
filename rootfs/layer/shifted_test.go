package layer_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/rootfs/layer"
	"skiff/state"
	"skiff/state/lock"
)

func TestShiftedLayersBelongToOutsideIDs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	dir := t.TempDir()
	src := filepath.Join(dir, "diff")
	for _, d := range []string{src, src + "/sub"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(src+"/sub/tool", []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(src+"/sub/tool", 7, 2000); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(src+"/sub/tool", 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	// cap_net_raw=ep, revision 2.
	caps := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	capsErr := unix.Setxattr(src+"/sub/tool", "security.capability", caps, 0)
	opaqueErr := unix.Setxattr(src+"/sub", "trusted.overlay.opaque", []byte("y"), 0)
	if err := unix.Mknod(src+"/gone", unix.S_IFCHR, 0); err != nil {
		t.Fatal(err)
	}
	maps := state.IDMaps{
		UIDs: []state.IDRange{{Inside: 0, Outside: 100000, Size: 1000}},
		GIDs: []state.IDRange{{Inside: 0, Outside: 200000, Size: 1000}},
	}
	s := layer.Shifted{Dir: filepath.Join(dir, "shifted"), Maps: maps}
	out, err := s.Layers([]string{src})
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(out[0]+"/sub/tool", &st); err != nil {
		t.Fatal(err)
	}
	if st.Uid != 100007 || st.Gid != 0 || st.Mode&0o7777 != 0o4755 {
		t.Errorf("owner %d:%d, mode %o; want 100007, a group that the container has not (0), 4755", st.Uid, st.Gid, st.Mode&0o7777)
	}
	if err := unix.Lstat(out[0]+"/gone", &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Uid != 100000 || st.Gid != 200000 {
		t.Errorf("the whiteout: %v, mode %o, owner %d:%d", err, st.Mode, st.Uid, st.Gid)
	}
	buf := make([]byte, 64)
	if n, err := unix.Getxattr(out[0]+"/sub", "trusted.overlay.opaque", buf); opaqueErr == nil && (err != nil || string(buf[:n]) != "y") {
		t.Errorf("the opaque mark: %q, %v", buf[:max(n, 0)], err)
	}
	if n, err := unix.Getxattr(out[0]+"/sub/tool", "security.capability", buf); capsErr == nil && (err != nil || n != 24 || buf[20] != 0xa0 || buf[21] != 0x86 || buf[22] != 1) {
		t.Errorf("file capabilities: %x, %v; want those of user 100000's namespace", buf[:max(n, 0)], err)
	}
	again, err := s.Layers([]string{src})
	if err != nil || again[0] != out[0] {
		t.Errorf("a second time: %v, %v", again, err)
	}
	// A copy goes when its layer has gone and another is made.
	other := filepath.Join(dir, "other")
	if err := os.Rename(src, other); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Layers([]string{other}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(out[0]); !os.IsNotExist(err) {
		t.Errorf("the copy of a layer that is gone: %v", err)
	}
}

func TestCopiesThatNobodyNeedsArePruned(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	dir := t.TempDir()
	src := filepath.Join(dir, "diff")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	shifted := filepath.Join(dir, "shifted")
	if err := layer.PruneShifted(shifted, nil); err != nil {
		t.Errorf("without copies: %v", err)
	}
	maps := func(outside uint32) layer.Shifted {
		r := []state.IDRange{{Outside: outside, Size: 10}}
		return layer.Shifted{Dir: shifted, Maps: state.IDMaps{UIDs: r, GIDs: r}}
	}
	var paths []string
	for _, outside := range []uint32{1000, 2000} {
		out, err := maps(outside).Layers([]string{src})
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, out...)
	}
	users, err := lock.Share(filepath.Join(shifted, "users.lock")) // a start is at it
	if err != nil {
		t.Fatal(err)
	}
	prune := func() {
		t.Helper()
		err := layer.PruneShifted(shifted, func() (map[string]bool, error) {
			return map[string]bool{maps(1000).Names([]string{src})[0]: true}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	prune()
	if copies, err := layer.ShiftedCopies(shifted); err != nil || len(copies) != 2 {
		t.Errorf("while a start looks for its copies: %v, %v, want both to stay", copies, err)
	}
	users.Release()
	prune()
	if _, err := os.Stat(paths[0]); err != nil {
		t.Errorf("the copy that is needed: %v", err)
	}
	if _, err := os.Stat(paths[1]); !os.IsNotExist(err) {
		t.Errorf("the copy that is not needed: %v, want it gone", err)
	}
}
