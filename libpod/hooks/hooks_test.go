package hooks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skiff/state"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rule(when string) string {
	return fmt.Sprintf(`{"version":"1.0.0","hook":{"path":"/bin/sh"},"when":%s,"stages":["prestart"]}`, when)
}

func TestMatches(t *testing.T) {
	c := Container{Annotations: map[string]string{"org.gpu": "two", "other": "x"}, Program: "/usr/bin/nginx", BindMounts: true}
	for when, want := range map[string]bool{
		`{}`:                                          false,
		`{"always":true}`:                             true,
		`{"always":false}`:                            false,
		`{"hasBindMounts":true}`:                      true,
		`{"hasBindMounts":false}`:                     false,
		`{"annotations":{"gpu$":"^t"}}`:               true,
		`{"annotations":{"gpu$":"^x"}}`:               false,
		`{"annotations":{"gpu":"t","no":""}}`:         false,
		`{"commands":["^/bin","nginx$"]}`:             true,
		`{"commands":["^/bin"]}`:                      false,
		`{"always":true,"commands":["^/bin"]}`:        false,
		`{"always":true,"annotations":{"other":"y"}}`: false,
		`{"always":true,"annotations":{"other":"x"},"commands":["ng"]}`: true,
		`{"always":false,"commands":["nginx"]}`:                         false,
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.json"), rule(when))
		rules, err := Read([]string{dir})
		if err != nil || len(rules) != 1 {
			t.Fatalf("Read with %s: %d rules, error %v", when, len(rules), err)
		}
		if got := rules[0].Matches(c); got != want {
			t.Errorf("%s matches: %v, want %v", when, got, want)
		}
	}
	r := Rule{When: When{HasBindMounts: new(bool)}}
	*r.When.HasBindMounts = true
	if r.Matches(Container{}) {
		t.Error("a container without bind mounts matches hasBindMounts")
	}
}

func TestReadOrdersAndOverrides(t *testing.T) {
	low, high := t.TempDir(), t.TempDir()
	for _, p := range []string{low + "/10-b.json", low + "/20-A.json", low + "/30.json", low + "/note.txt", high + "/20-A.json", high + "/15.json"} {
		write(t, p, rule(`{"always":true}`))
	}
	rules, err := Read([]string{low, filepath.Join(low, "nosuch"), high})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rules {
		got = append(got, r.Path)
	}
	want := []string{low + "/10-b.json", high + "/15.json", high + "/20-A.json", low + "/30.json"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("rules\n%v, want\n%v", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                   "not valid JSON",
		`{}`:                  `version is ""`,
		`{"version":"1.0.0"}`: "not absolute",
		`{"version":"1.0.0","hook":{"path":"/no/such"},"stages":[]}`:                                           "no program",
		`{"version":"1.0.0","hook":{"path":"/"},"stages":[]}`:                                                  "is a directory",
		`{"version":"1.0.0","hook":{"path":"/bin/sh"}}`:                                                        "no stages",
		`{"version":"1.0.0","hook":{"path":"/bin/sh","timeout":-1},"stages":[]}`:                               "negative",
		`{"version":"1.0.0","hook":{"path":"/bin/sh"},"stages":["later"]}`:                                     `"later"`,
		`{"version":"1.0.0","hook":{"path":"/bin/sh"},"when":{"commands":["("]},"stages":["poststop"]}`:        "regular expression",
		`{"version":"1.0.0","hook":{"path":"/bin/sh"},"when":{"annotations":{"a":"["}},"stages":["poststop"]}`: "regular expression",
		rule(`{"always":true}`) + strings.Repeat(" ", maxFile):                                                 "larger than",
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.json"), text)
		if _, err := Read([]string{dir}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a.json") {
			t.Errorf("Read with %.80s: error %v, want one with %q and the file's name", text, err, want)
		}
	}
	if _, err := Read([]string{"/etc/passwd"}); err == nil {
		t.Error("a file passes for a directory")
	}
}

func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("MINE", "secret")
	h := state.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", `cat >"$OUT"; echo "$MINE$0" >>"$OUT"`, "me"}, Env: []string{"OUT=" + out, "PATH=/bin"}}
	if err := Run(context.Background(), h, []byte("state\n")); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(out); string(got) != "state\nme\n" {
		t.Errorf("the hook wrote %q", got)
	}
	for script, want := range map[string]string{
		"echo broken >&2; exit 3": "exit status 3: broken",
		"exec sleep 60":           "more than 1s",
	} {
		h := state.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/bin:/usr/bin"}, Timeout: 1}
		if err := Run(context.Background(), h, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", script, err, want)
		}
	}
	// Who leaves a process behind that keeps its output is not waited for.
	h = state.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "sleep 5 & exit 0"}, Env: []string{"PATH=/bin:/usr/bin"}, Timeout: 4}
	if err := Run(context.Background(), h, nil); err != nil {
		t.Error(err)
	}
}

// FuzzRule: no file makes reading or matching panic.
func FuzzRule(f *testing.F) {
	f.Add(rule(`{"always":true,"annotations":{"a":"b"},"commands":["c"],"hasBindMounts":false}`))
	f.Add(`{"version":"1.0.0","hook":{"path":"/bin/sh","timeout":3},"when":{},"stages":["poststop"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.json"), text)
		rules, err := Read([]string{dir})
		for _, r := range rules {
			r.Matches(Container{Annotations: map[string]string{"a": "b"}, Program: "c"})
		}
		if err == nil && (len(rules) != 1 || !filepath.IsAbs(rules[0].Hook.Path)) {
			t.Errorf("%q gave %+v", text, rules)
		}
	})
}
