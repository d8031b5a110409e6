package rootless

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// beJoiner starts a program as beStarter does, and itself in that one's namespace.
func beJoiner() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	defer w.Close()
	first, err := Start([]string{"/bin/cat"}, nil, []*os.File{r, os.Stdout, os.Stderr}, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	defer first.Kill()
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", first.Pid))
	if err == nil {
		ns, err = OfUser(ns)
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	link, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", first.Pid))
	mounts, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", first.Pid))
	fmt.Println("first", link, mounts)
	_, err = Start([]string{"/no/such/program"}, nil, nil, Options{Join: ns})
	fmt.Println("absent", err)
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	env := []string{roleVar + "=" + started, marker + "=77"}
	p, err := Start([]string{exe, "a", "", "b c"}, env, []*os.File{nil, os.Stdout, os.Stderr}, Options{Dir: "/", Setsid: true, Join: ns})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	st, err := p.Wait()
	fmt.Println("ended", st, err)
	os.Exit(0)
}

func TestStartInAnothersNamespace(t *testing.T) {
	needRoot(t)
	uid, gid := addUser(t)
	got := runAs(t, uid, gid, joiner)
	_, rest, _ := strings.Cut(got, "first ")
	first, _, _ := strings.Cut(rest, "\n")
	user, mounts, _ := strings.Cut(first, " ")
	wantLines(t, got, "namespaces "+user,
		"absent cannot start /no/such/program in the user namespace of another container: no such file or directory",
		fmt.Sprintf("ids 0 0 outside %d true", uid), "args a||b c", "descriptors 0 1 2 enter ",
		"CapEff "+allCaps(), "session true", "mount <nil> true", "chown <nil> <nil>", "ended exit status 5 <nil>")
	if user == "" || strings.Count(got, mounts) != 1 {
		t.Error("it has no mount namespace of its own")
	}
}
