// Package bed runs the scripts of tests/script on another machine than this one:
// it gathers what they need in one directory and reads their results.
//
// Not here: the machines (tests/testbed).
package bed

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"skiff/tests/images"
)

// Share fills a directory that others may read with the program under test, the
// compiled scripts and the images.
func Share(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "skiff-bed-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	skiff := os.Getenv("SKIFF")
	if skiff == "" {
		skiff = "../../bin/skiff"
	}
	for _, sub := range []string{".", "images", "script", "script/testdata"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	copies := map[string]string{"skiff": skiff, "README.md": "../../README.md"}
	for name, mk := range map[string]func() (string, error){"busybox": images.Busybox, "httpd": images.Httpd} {
		path, err := mk()
		if err != nil {
			t.Fatal(err)
		}
		copies["images/"+name+"-bed.tar"] = path
	}
	for to, from := range copies {
		if err := copyFile(filepath.Join(dir, to), from); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "script/testdata"), os.DirFS("../script/testdata")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "docs/handbook"), os.DirFS("../../docs/handbook")); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "script/script.test"), "../script")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot compile the scripts: %v\n%s", err, out)
	}
	return dir
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return closed(out, err)
}

func closed(f *os.File, err error) error {
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// Command is the shell command that runs a tier's scripts in the shared
// directory, as it is called on the bed. SKIFF_SCRIPTS chooses among them, as
// go test -run does.
func Command(dir, tier string) string {
	return fmt.Sprintf("cd %[1]s/script && SKIFF_TIER=%[2]s SKIFF=%[1]s/skiff SKIFF_TEST_IMAGES=%[1]s/images SKIFF_DOCS=%[1]s"+
		" exec ./script.test -test.v -test.timeout 800s -test.run '%[3]s'", dir, tier, cmp.Or(os.Getenv("SKIFF_SCRIPTS"), "TestScripts|TestHandbook"))
}

// Run runs a bed and makes each of its scripts a subtest of t.
func Run(t *testing.T, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	const line = "--- "
	n := 0
	for text := range strings.Lines(out.String()) {
		verdict, rest, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), line), ": Test")
		suite, rest, sub := strings.Cut(rest, "/")
		ok = ok && sub && (suite == "Scripts" || suite == "Handbook")
		if !ok || !strings.HasPrefix(strings.TrimSpace(text), line) {
			continue
		}
		n++
		script, _, _ := strings.Cut(rest, " ")
		t.Run(script, func(t *testing.T) {
			switch verdict {
			case "FAIL":
				t.Fail()
			case "SKIP":
				t.Skip(about(out.String(), suite+"/"+script))
			}
		})
	}
	if err != nil || n < 5 && os.Getenv("SKIFF_SCRIPTS") == "" {
		t.Errorf("%s: %v, %d scripts ran\n%s", filepath.Base(name), err, n, out.String())
	}
}

// about gives what a skipped script printed: go test says whose output follows
// and, of tests that ran beside others, repeats none of it at their end.
func about(out, script string) string {
	var said []string
	ours := false
	for text := range strings.Lines(out) {
		line := strings.TrimSpace(text)
		if mark := strings.Fields(line); len(mark) == 3 && mark[0] == "===" {
			ours = mark[2] == "Test"+script
			continue
		}
		if ours {
			said = append(said, line)
		}
	}
	_, rest, _ := strings.Cut(out, "--- SKIP: Test"+script)
	lines := strings.SplitN(rest, "\n", 6)
	return strings.Join(append(said, lines[:len(lines)-1]...), "\n")
}
