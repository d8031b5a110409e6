package recipe

import (
	"testing"
)

// keyOf is the key of the last step of the last stage of a Dockerfile.
func keyOf(t *testing.T, source string, o Options) string {
	t.Helper()
	r, plans, err := planAll([]byte(source), o, map[string]Config{})
	if err != nil {
		t.Fatalf("%s\n%v", source, err)
	}
	steps := plans[r.Result].Steps
	return string(steps[len(steps)-1].Key())
}

func TestKeys(t *testing.T) {
	proxy := Options{Args: map[string]string{"HTTP_PROXY": "x", "https_proxy": "y"}}
	tests := []struct {
		name string
		a, b string
		o    Options // of b
		same bool
	}{
		{"comments and lines", "FROM a\nRUN x", "# c\nFROM a\n# d\n\nRUN x", Options{}, true},
		{"the name of the base", "FROM a\nRUN x", "FROM b\nRUN x", Options{}, true},
		{"the command", "FROM a\nRUN x", "FROM a\nRUN y", Options{}, false},
		{"words", "FROM a\nRUN [\"x y\"]", "FROM a\nRUN [\"x\", \"y\"]", Options{}, false},
		{"proxies", "FROM a\nRUN x", "FROM a\nRUN x", proxy, true},
		{"proxies that are arguments", "FROM a\nRUN x", "FROM a\nARG HTTP_PROXY\nRUN x", proxy, false},
		{"an argument", "FROM a\nARG A=1\nRUN x", "FROM a\nARG A=2\nRUN x", Options{}, false},
		{"an argument of no value", "FROM a\nARG A\nRUN x", "FROM a\nRUN x", Options{}, true},
		{"where a variable comes from", "FROM a\nENV A=1\nRUN x", "FROM a\nARG A=1\nRUN x", Options{}, true},
		{"the order of variables", "FROM a\nENV A=1 B=2\nRUN x", "FROM a\nENV B=2 A=1\nRUN x", Options{}, true},
		{"labels", "FROM a\nLABEL A=1\nRUN x", "FROM a\nRUN x", Options{}, true},
		{"the user", "FROM a\nUSER b\nRUN x", "FROM a\nRUN x", Options{}, false},
		{"the directory", "FROM a\nWORKDIR /b\nRUN x", "FROM a\nRUN x", Options{}, false},
		{"the network", "FROM a\nRUN --network=none x", "FROM a\nRUN x", Options{}, false},
		{"the default network", "FROM a\nRUN --network=default x", "FROM a\nRUN x", Options{}, true},
		{"privileges", "FROM a\nRUN --security=insecure x", "FROM a\nRUN x", Options{}, false},
		{"a mount's target", "FROM a\nRUN --mount=type=cache,target=/a x", "FROM a\nRUN --mount=type=cache,target=/b,id=/a x", Options{}, false},
		{"a mount's ID as by itself", "FROM a\nRUN --mount=type=cache,target=/a x", "FROM a\nRUN --mount=type=cache,target=/a,id=/a x", Options{}, true},
		{"the stage of a mount", "FROM a AS b\nFROM a AS c\nFROM a\nRUN --mount=from=b,target=/x x", "FROM a AS b\nFROM a AS c\nFROM a\nRUN --mount=from=c,target=/x x", Options{}, true},
		{"a script", "FROM a\nRUN <<E\n#!x\n1\nE", "FROM a\nRUN <<E\n#!x\n2\nE", Options{}, false},
		{"the stage of a COPY", "FROM a AS b\nFROM c AS d\nFROM a\nCOPY --from=b x y", "FROM a AS b\nFROM c AS d\nFROM a\nCOPY --from=d x y", Options{}, true},
		{"a destination that comes out the same", "FROM a\nCOPY x /y/z", "FROM a\nWORKDIR /y\nCOPY x z", Options{}, true},
		{"a destination that is a directory", "FROM a\nCOPY x /y/", "FROM a\nCOPY x /y", Options{}, false},
		{"ADD for COPY", "FROM a\nADD x /y", "FROM a\nCOPY x /y", Options{}, false},
		{"an owner", "FROM a\nCOPY --chown=1 x /y", "FROM a\nCOPY x /y", Options{}, false},
		{"a here-document", "FROM a\nCOPY <<x /y\n1\nx", "FROM a\nCOPY <<x /y\n2\nx", Options{}, false},
		{"who owns a directory", "FROM a\nUSER b\nWORKDIR /x", "FROM a\nWORKDIR /x", Options{}, false},
		{"bytes that are no text", "FROM a\nRUN \xff", "FROM a\nRUN \xfe", Options{}, false},
		{"a replacement character", "FROM a\nRUN \xff", "FROM a\nRUN \uFFFD", Options{}, false},
		{"an escape", "FROM a\nRUN \\xff", "FROM a\nRUN \xff", Options{}, false},
	}
	for _, tt := range tests {
		a, b := keyOf(t, tt.a, Options{}), keyOf(t, tt.b, tt.o)
		if a == "" || (a == b) != tt.same {
			t.Errorf("%s: want the same: %v\n%q: %s\n%q: %s", tt.name, tt.same, tt.a, a, tt.b, b)
		}
	}
	if k := keyOf(t, "FROM a\nLABEL a=b", Options{}); k != "" {
		t.Errorf("a step without files: got %q, want nothing", k)
	}
}

// TestPlansShareNothing: plans may be made at the same time, and one does not
// change another's, nor the base.
func TestPlansShareNothing(t *testing.T) {
	r, err := Parse([]byte("FROM a\nARG A=1\nENV B=$A\nLABEL x=$B\nRUN --mount=type=cache,target=$A x\nCOPY $B <<f /\n$A\nf\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	base := Config{}
	base.Env = []string{"B=old"}
	base.Labels = map[string]string{"x": "old"}
	plans := make(chan *Plan, 8)
	for range cap(plans) {
		go func() {
			p, err := r.Plan(0, base, PlanOptions{})
			if err != nil {
				t.Error(err)
			}
			plans <- p
		}()
	}
	var first string
	for range cap(plans) {
		p := <-plans
		if p == nil {
			continue
		}
		got := ""
		for _, s := range p.Steps {
			got += s.CreatedBy + string(s.Key())
		}
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("got\n%s\nwant\n%s", got, first)
		}
	}
	if base.Env[0] != "B=old" || base.Labels["x"] != "old" {
		t.Errorf("the base has changed: %+v", base)
	}
}
