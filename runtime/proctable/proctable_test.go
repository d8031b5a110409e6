package proctable

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestCapabilities(t *testing.T) {
	for _, tt := range []struct{ set, want string }{
		{"0000000000000000", "none"},
		{"000001ffffffffff", "full"},
		{"0000000000000001", "CHOWN"},
		{"00000000a80425fb", "AUDIT_WRITE,CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,MKNOD,NET_BIND_SERVICE,NET_RAW,SETFCAP,SETGID,SETPCAP,SETUID,SYS_CHROOT"},
		{"0000020000000001", "CAP_41,CHOWN"},
		{"", "?"},
	} {
		if got := capabilities(tt.set); got != tt.want {
			t.Errorf("capabilities(%q) = %q, want %q", tt.set, got, tt.want)
		}
	}
}

func TestToInside(t *testing.T) {
	maps := parseIDMap("         0       1000          1\n         1     100000      65536\nodd line\n")
	for _, tt := range []struct{ id, want string }{
		{"1000", "0"}, {"100000", "1"}, {"165535", "65536"}, {"165536", "165536"}, {"0", "0"}, {"?", "?"},
	} {
		if got := toInside(maps, tt.id); got != tt.want {
			t.Errorf("toInside(%q) = %q, want %q", tt.id, got, tt.want)
		}
	}
}

func TestInnerID(t *testing.T) {
	for _, tt := range []struct {
		ids   string
		level int
		want  string
	}{
		{"4711", 1, "4711"}, {"4711\t7", 2, "7"}, {"4711\t7\t1", 2, "7"}, {"4711", 2, "0"}, {"", 0, "?"},
	} {
		if got := innerID(tt.ids, tt.level); got != tt.want {
			t.Errorf("innerID(%q, %d) = %q, want %q", tt.ids, tt.level, got, tt.want)
		}
	}
}

// Every descriptor of Podman's has a heading and says something of this process.
func TestRowsOfThisProcess(t *testing.T) {
	names := strings.Fields("args capamb capbnd capeff capinh capprm comm etime group groups hgroup hgroups hpid huser huid" +
		" label nice pcpu pgid pid ppid rgroup rss ruser seccomp state stime time tty uid user vsz" +
		" %C %G %P %U %a %c %g %n %p %r %t %u %x %y %z")
	if !Known(names) {
		t.Fatalf("not all of %q are known", names)
	}
	me := os.Getpid()
	view := View{First: me, Users: map[uint32]string{uint32(os.Geteuid()): "me"}}
	rows, err := Rows([]int{me}, names, view)
	if err != nil || len(rows) != 2 {
		t.Fatalf("Rows() = %q, %v", rows, err)
	}
	for i, name := range names {
		if rows[0][i] == "" || rows[1][i] == "" && !strings.HasSuffix(name, "groups") {
			t.Errorf("%s: heading %q, cell %q", name, rows[0][i], rows[1][i])
		}
	}
	cell := func(name string) string { return rows[1][slices.Index(names, name)] }
	for name, want := range map[string]string{
		"user": "me", "%U": "me", "hpid": strconv.Itoa(me), "ppid": strconv.Itoa(os.Getppid()),
		"uid": strconv.Itoa(os.Geteuid()), "huid": strconv.Itoa(os.Geteuid()),
	} {
		if cell(name) != want {
			t.Errorf("%s is %q, want %q", name, cell(name), want)
		}
	}
	if _, err := Rows([]int{me}, []string{"pid", "nosuch"}, view); err == nil || !strings.Contains(err.Error(), `"nosuch"`) {
		t.Errorf("an unknown descriptor: %v", err)
	}
}

// A process may call itself what it wants.
func TestNameIsPrintable(t *testing.T) {
	cmd := exec.Command("/bin/sh")
	cmd.Args = []string{"\x1b[2Jsh\n", "-c", "read x"}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	rows, err := Rows([]int{cmd.Process.Pid}, []string{"args"}, View{First: os.Getpid()})
	if err != nil || len(rows) != 2 || rows[1][0] != "?[2Jsh? -c read x" {
		t.Errorf("Rows() = %q, %v", rows, err)
	}
}

func TestInside(t *testing.T) {
	me := strconv.Itoa(os.Getpid())
	head := []string{"PID", "PPID", "LWP", "CMD"}
	got := Inside(head, [][]string{{me, "1", me, me}, {"4194305", "1", "1", "gone"}}, 0, View{First: os.Getpid()})
	want := fmt.Sprint([][]string{{me, strconv.Itoa(os.Getppid()), me, me}})
	if fmt.Sprint(got) != want {
		t.Errorf("Inside() = %v, want %v", got, want)
	}
}
