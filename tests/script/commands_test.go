package script

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"skiff/tests/images"
	"skiff/tests/leaks"
	"skiff/tests/registry"
)

// commands are what the scripts have beside testscript's own:
//
//	[!] skiff ARGS…            skiff with the script's roots; ! wants a failure
//	code N PROGRAM ARGS…       the program must end with exactly this status
//	until PATTERN PROGRAM …    again until its output has the pattern (20 s)
//	oneline PATTERN            the last stderr is one line "Error: …" with the pattern
//	same FILE                  the last stdout is exactly the file's content
//	keep NAME                  the last stdout, without the last newline, as $NAME
//	load busybox httpd         loads test images from their archives
//	archive busybox NAME       sets $NAME to the path of the image's archive
//	registry [tls] [auth]      starts a registry with both images: $REGISTRY, and
//	                           $CERTS, $RUSER, $RPASS; it is docker.io's mirror if plain
//	http URL                   fetches the page, again until the server answers
//	term STEPS PROGRAM …       on a terminal, see cmdTerm
//	sigkill PID                kills one process
//	neighbour DEVICE …         another host, see cmdNeighbour
//	nameserver ADDRESS …       answers questions for names, see cmdNameserver
//	mounts OPTIONS…            what run mounts with the options is what runc mounts
//	leaks                      removes all containers and asserts that nothing is left
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"skiff": cmdSkiff, "code": cmdCode, "until": cmdUntil, "oneline": cmdOneline, "same": cmdSame,
		"keep": cmdKeep, "load": cmdLoad, "archive": cmdArchive, "registry": cmdRegistry, "http": cmdHTTP,
		"sigkill": cmdSigkill, "term": cmdTerm, "leaks": cmdLeaks,
		"mounts": cmdMounts, "neighbour": cmdNeighbour, "nameserver": cmdNameserver,
	}
}

func cmdSkiff(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("skiff", args...)
	switch {
	case neg && err == nil:
		ts.Fatalf("skiff succeeded, which it should not")
	case !neg && err != nil:
		ts.Fatalf("skiff failed: %v", err)
	}
	refuseTrace(ts)
}

// refuseTrace fails on a crash of the program, whatever was expected of it.
func refuseTrace(ts *testscript.TestScript) {
	if stderr := ts.ReadFile("stderr"); strings.Contains(stderr, "goroutine ") {
		ts.Fatalf("skiff crashed")
	}
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: code N PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("cannot run %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with status %d, want %d", args[1], got, want)
	}
	refuseTrace(ts)
}

// patience bounds the waiting for a condition.
const patience = 20 * time.Second

func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] until PATTERN PROGRAM ARGS…")
	}
	re, err := regexp.Compile(`(?m)` + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if (err == nil && re.MatchString(ts.ReadFile("stdout"))) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: no %q within %s", strings.Join(args[1:], " "), args[0], patience)
		}
	}
}

func cmdOneline(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: oneline PATTERN")
	}
	stderr := hint.ReplaceAllString(ts.ReadFile("stderr"), "")
	if !strings.HasPrefix(stderr, "Error: ") || strings.Count(stderr, "\n") != 1 {
		ts.Fatalf("want one line that begins with \"Error: \", got %q", stderr)
	}
	if re, err := regexp.Compile(args[0]); err != nil || !re.MatchString(stderr) {
		ts.Fatalf("want %q in %q (%v)", args[0], stderr, err)
	}
}

// hint is the second line that an error in the command line may have.
var hint = regexp.MustCompile(`(?m)^(See|Try) 'skiff .*--help'.*\n`)

func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] same FILE")
	}
	if got, want := ts.ReadFile("stdout"), ts.ReadFile(args[0]); (got == want) == neg {
		ts.Fatalf("stdout %q; the file %q", got, want)
	}
}

func cmdKeep(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: keep NAME")
	}
	ts.Setenv(args[0], strings.TrimSuffix(ts.ReadFile("stdout"), "\n"))
}

// archiveOf gives an image's archive.
func archiveOf(ts *testscript.TestScript, name string) string {
	makers := map[string]func() (string, error){"busybox": images.Busybox, "httpd": images.Httpd}
	mk, ok := makers[name]
	if !ok {
		ts.Fatalf("no test image %q", name)
	}
	path, err := mk()
	ts.Check(err)
	return path
}

func cmdLoad(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		ts.Check(ts.Exec("skiff", "load", "-q", "-i", archiveOf(ts, name)))
	}
}

func cmdArchive(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: archive IMAGE NAME")
	}
	ts.Setenv(args[1], archiveOf(ts, args[0]))
}

// mirror makes the loopback registry stand for docker.io.
const mirror = `unqualified-search-registries = ["docker.io"]
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "ADDR"
insecure = true
`

func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	var o registry.Options
	for _, a := range args {
		switch a {
		case "tls":
			o.TLS = true
		case "auth":
			o.User, o.Password = "sailor", "ahoy there"
		default:
			ts.Fatalf("usage: registry [tls] [auth]")
		}
	}
	dir, err := os.MkdirTemp(ts.Getenv("WORK"), "registry-")
	ts.Check(err)
	r, err := registry.Serve(dir, o)
	ts.Check(err)
	ts.Defer(r.Stop)
	for _, name := range []string{"busybox", "httpd"} {
		ts.Check(r.PushArchive(archiveOf(ts, name), "library/"+name, "latest"))
	}
	ts.Setenv("REGISTRY", r.Host)
	ts.Setenv("CERTS", r.CertDir)
	ts.Setenv("RUSER", o.User)
	ts.Setenv("RPASS", o.Password)
	ts.Setenv("RDATA", filepath.Join(r.Blobs, "docker/registry/v2"))
	if !o.TLS && o.User == "" {
		conf := strings.Replace(mirror, "ADDR", r.Host, 1)
		ts.Check(os.WriteFile(ts.Getenv("CONTAINERS_REGISTRIES_CONF"), []byte(conf), 0o644))
	}
}

func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: http URL")
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec("curl", "-sS", "--fail", "--max-time", "5", args[0])
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not answer: %v", args[0], err)
		}
	}
}

func cmdSigkill(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: sigkill PID")
	}
	pid, err := strconv.Atoi(args[0])
	if err != nil || pid <= 1 {
		ts.Fatalf("not a process: %q", args[0]) // 0 and -1 would be the test itself
	}
	fd, err := unix.PidfdOpen(pid, 0)
	ts.Check(err)
	defer unix.Close(fd)
	ts.Check(unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0))
}

// cmdLeaks removes all containers and asserts that nothing of the script is
// left: processes, cgroups, mounts, links, rules, files.
func cmdLeaks(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: leaks")
	}
	top := ts.Getenv("TOP")
	ids := leaks.Containers(top)
	if err := ts.Exec("skiff", "rm", "-a", "-f", "-t", "0"); err != nil {
		ts.Fatalf("skiff rm -af failed: %v", err)
	}
	if left := leaks.Left(top, ids); len(left) > 0 {
		ts.Fatalf("left behind:\n  %s", strings.Join(left, "\n  "))
	}
}
