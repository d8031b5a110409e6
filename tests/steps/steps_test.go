package steps

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"skiff/rootfs/imagecall"
	"skiff/state"
)

// tree lists what is in a layer, sorted.
func (b *bench) tree(dir string) (out []string) {
	b.t.Helper()
	b.must(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." && err == nil {
			out = append(out, rel)
		}
		return err
	}))
	return out
}

func TestAStepLeavesExactlyWhatItsProgramChanged(t *testing.T) {
	b := newBench(t)
	s := b.step("echo hello; echo oops >&2; echo text >/made; rm /bin/nc; mkdir /d; chmod 700 /d")
	if got := b.ok(s); !strings.Contains(got, "hello\n") || !strings.Contains(got, "oops\n") {
		t.Errorf("output: got %q, want hello and oops", got)
	}
	if got, want := b.tree(s.Upper), []string{"bin", "bin/nc", "d", "made"}; !slices.Equal(got, want) {
		t.Errorf("layer: got %q, want %q", got, want)
	}
	if st, err := os.Lstat(filepath.Join(s.Upper, "bin/nc")); err != nil || st.Mode()&fs.ModeCharDevice == 0 {
		t.Errorf("the removed file: got %v, %v; want a whiteout", st, err)
	}
	if data, _ := os.ReadFile(filepath.Join(s.Upper, "made")); string(data) != "text\n" {
		t.Errorf("the file: got %q", data)
	}
	next := b.step("cat /made; ls -d /d /bin/nc; ls /etc")
	next.Lower = append(next.Lower, s.Upper)
	res, out := b.run(next)
	if res[0].Code != 0 || !strings.Contains(out, "text\n/d\n") && !strings.Contains(out, "text\n") {
		t.Errorf("the step after: got %+v and %q", res[0], out)
	}
}

func TestPlacesOfMountsAreNotInTheLayer(t *testing.T) {
	b := newBench(t)
	source := filepath.Join(b.dir, "source")
	b.must(os.WriteFile(source, []byte("from the host\n"), 0o644))
	s := b.step("cat /mnt/deep/file; test -s /etc/resolv.conf && test -s /etc/hosts && test -d /proc/1 && test -d /sys/kernel && test -c /dev/null" +
		" && stat -c '%a %U %Y' /etc && stat -c %a /tmpfs && echo x >/tmpfs/x && touch /mnt/own")
	s.Mounts = []imagecall.Mount{{Target: "/mnt/deep/file", Source: source}, {Target: "/tmpfs", Tmpfs: true}}
	got := b.ok(s)
	if want := "from the host\n751 root 1000000000\n1777\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// /mnt was made for the mount, but the program has put a file there.
	if got, want := b.tree(s.Upper), []string{"mnt", "mnt/own"}; !slices.Equal(got, want) {
		t.Errorf("layer: got %q, want %q", got, want)
	}
}

func TestFilesOfTheImageInThePlaceOfMountsStay(t *testing.T) {
	b := newBench(t)
	b.must(os.WriteFile(filepath.Join(b.base, "etc/hosts"), []byte("the image's\n"), 0o644))
	b.must(os.WriteFile(filepath.Join(b.base, "etc/hostname"), []byte("image\n"), 0o644))
	s := b.step("cat /etc/hosts; cat /etc/hostname; echo own >/etc/hostname")
	got := b.ok(s)
	if strings.Contains(got, "the image's") || !strings.Contains(got, "localhost") || !strings.Contains(got, "image\n") {
		t.Errorf("got %q, want the network's hosts and the image's hostname", got)
	}
	if got, want := b.tree(s.Upper), []string{"etc", "etc/hostname"}; !slices.Equal(got, want) {
		t.Errorf("layer: got %q, want %q", got, want)
	}
}

func TestTheEnvironmentIsTheSteps(t *testing.T) {
	b := newBench(t)
	s := b.step("env; pwd; hostname; id")
	s.Env = []string{"PATH=/bin", "A=b c", "EMPTY="}
	s.Cwd, s.User = "/work/dir", "alice:staff"
	got := b.ok(s)
	for _, want := range []string{"PATH=/bin\n", "A=b c\n", "EMPTY=\n", "HOME=/home/alice\n", "\n/work/dir\n", "\nbuildkitsandbox\n", "uid=1000(alice) gid=50(staff)"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	for _, name := range []string{"HOSTNAME=", "container=", "TERM="} {
		if strings.Contains(got, name) {
			t.Errorf("got %q, want no %s", got, name)
		}
	}
	if got, want := b.tree(s.Upper), []string{"work", "work/dir"}; !slices.Equal(got, want) {
		t.Errorf("layer: got %q, want %q", got, want)
	}
}

func TestHowAProgramEndsIsTold(t *testing.T) {
	b := newBench(t)
	missing := b.step("")
	missing.Args = []string{"/no/such/program"}
	barred := b.step("")
	barred.Args = []string{"/etc/passwd"}
	nobody := b.step("true")
	nobody.User = "nobody-known"
	killed := b.step("sh -c 'kill -9 $$'; exit $?")
	res, out := b.run(b.step("exit 7"), missing, barred, nobody, killed)
	for i, want := range []struct {
		code int
		text string
	}{{7, ""}, {127, "no such file"}, {126, "permission denied"}, {125, "nobody-known"}, {137, ""}} {
		if res[i].Code != want.code || !strings.Contains(res[i].Error, want.text) || want.text == "" && res[i].Error != "" {
			t.Errorf("step %d: got %+v, want code %d and %q; output %q", i, res[i], want.code, want.text, out)
		}
	}
}

func TestMountsOfLayers(t *testing.T) {
	b := newBench(t)
	low, high := filepath.Join(b.dir, "low"), filepath.Join(b.dir, "high")
	b.must(os.MkdirAll(filepath.Join(low, "sub"), 0o755))
	b.must(os.MkdirAll(filepath.Join(high, "sub"), 0o755))
	b.must(os.WriteFile(filepath.Join(low, "sub/a"), []byte("low\n"), 0o644))
	b.must(os.WriteFile(filepath.Join(low, "sub/b"), []byte("low\n"), 0o644))
	b.must(os.WriteFile(filepath.Join(high, "sub/b"), []byte("high\n"), 0o644))
	s := b.step("cat /m/a /m/b /one; echo no 2>/dev/null >/m/a || echo ro; echo yes >/rw/sub/a && cat /rw/sub/a")
	s.Mounts = []imagecall.Mount{
		{Target: "/m", Layers: []string{low, high}, Subpath: "sub", ReadOnly: true},
		{Target: "/one", Layers: []string{low, high}, Subpath: "/sub/b", ReadOnly: true},
		{Target: "/rw", Layers: []string{low}},
	}
	if got, want := b.ok(s), "low\nhigh\nhigh\nro\nyes\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if data, _ := os.ReadFile(filepath.Join(low, "sub/a")); string(data) != "low\n" {
		t.Errorf("the layer was changed: %q", data)
	}
	if got := b.tree(s.Upper); len(got) > 0 {
		t.Errorf("layer: got %q, want nothing", got)
	}
	bad := b.step("true")
	bad.Mounts = []imagecall.Mount{{Target: "/m", Layers: []string{low}, Subpath: "none", ReadOnly: true}}
	if res, _ := b.run(bad); res[0].Error == "" || !strings.Contains(res[0].Error, "none") {
		t.Errorf("a missing part: got %+v, want an error", res[0])
	}
}

func TestTheOptionsOfBuildHoldForSteps(t *testing.T) {
	b := newBench(t)
	b.template = &state.Config{
		Ulimits:   []state.Ulimit{{Name: "nofile", Soft: 77, Hard: 77}},
		ShmSize:   4 << 20,
		Network:   state.Network{Mode: state.ModeNone, ExtraHosts: []string{"friend:10.1.2.3"}},
		Security:  state.Security{CapDrop: []string{"CAP_CHOWN"}},
		Resources: state.Resources{Memory: 64 << 20},
	}
	s := b.step("ulimit -n; cat /etc/hosts; ls /sys/class/net; dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null; stat -c %s /dev/shm/x; touch /f; chown 1 /f 2>/dev/null || echo dropped")
	got := b.ok(s)
	for _, want := range []string{"77\n", "10.1.2.3\tfriend\n", "4194304\n", "dropped\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	if strings.Contains(got, "eth0") {
		t.Errorf("got %q, want no network", got)
	}
	over := b.step("dd if=/dev/zero of=/dev/shm/x bs=1M count=100 2>/dev/null; head -c 200000000 /dev/zero | tail -c 200000000 >/dev/null")
	over.Args[2] = "/bin/busybox tail -c 200000000 /dev/zero"
	if res, out := b.run(over); res[0].Code != 137 || !res[0].OOMKilled {
		t.Errorf("too much memory: got %+v, want 137 and an OOM kill; output %q", res[0], out)
	}
}

func TestNetworks(t *testing.T) {
	b := newBench(t)
	bridge, none, host := b.step("ls /sys/class/net"), b.step("ls /sys/class/net"), b.step("ls /sys/class/net")
	none.Network, host.Network = state.ModeNone, state.ModeHost
	if got := b.ok(bridge); !strings.Contains(got, "eth0") {
		t.Errorf("default: got %q, want eth0", got)
	}
	if got := b.ok(none); strings.TrimSpace(got) != "lo" {
		t.Errorf("none: got %q, want lo", got)
	}
	if res, _ := b.run(host); !strings.Contains(res[0].Error, "network.host") {
		t.Errorf("host: got %+v, want that it is not allowed", res[0])
	}
	b.allow = []string{"network.host"}
	if got := b.ok(host); strings.Contains(got, "eth0") {
		t.Errorf("host: got %q, want those of the host", got)
	}
}

func TestInsecureStepsTakePermission(t *testing.T) {
	b := newBench(t)
	s := b.step("mount -t tmpfs none /bin && echo mounted")
	if res, out := b.run(s); res[0].Code == 0 {
		t.Errorf("a step may mount: %q", out)
	}
	s.Insecure = true
	if res, _ := b.run(s); !strings.Contains(res[0].Error, "security.insecure") {
		t.Errorf("got %+v, want that it is not allowed", res[0])
	}
	device := b.step("true")
	device.Devices = []string{"vendor.com/class=one"}
	if res, _ := b.run(device); !strings.Contains(res[0].Error, "device=vendor.com/class=one") {
		t.Errorf("a device: got %+v, want that it is not allowed", res[0])
	}
	b.allow = []string{"security.insecure"}
	if got := b.ok(s); got != "mounted\n" {
		t.Errorf("got %q, want mounted", got)
	}
}

func TestStepsRunTogetherAndAreCancelled(t *testing.T) {
	b := newBench(t)
	mark := filepath.Join(b.dir, "marks")
	b.must(os.Mkdir(mark, 0o755))
	var steps []imagecall.Step
	for range 4 {
		s := b.step("touch /marks/$$.$(cat /proc/sys/kernel/random/uuid); while [ $(ls /marks | wc -l) -lt 4 ]; do sleep 0.05; done; touch /marks/all; sleep 1000")
		s.Mounts = []imagecall.Mount{{Target: "/marks", Source: mark}}
		steps = append(steps, s)
	}
	begun := time.Now()
	res, out := b.runScript(script{Steps: steps, Together: true, CancelAfter: filepath.Join(mark, "all")})
	for _, r := range res {
		if r.Code != 137 || r.Failed != "context canceled" {
			t.Errorf("got %+v, want 137 and canceled; output %q", r, out)
		}
	}
	if d := time.Since(begun); d > 60*time.Second {
		t.Errorf("it took %s", d)
	}
}
