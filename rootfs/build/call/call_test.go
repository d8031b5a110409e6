package call

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"skiff/rootfs/build/recipe"
)

const file = `# check=experimental=all
ARG VERSION=1
# NAME is for the greeting
ARG NAME=world$VERSION
# base is what all begin with
FROM debian:$VERSION AS base
RUN --mount=type=secret,id=token,required x

# result greets
FROM base AS Result
ARG NAME
RUN --mount=type=ssh $NAME
`

func read(t *testing.T) (*recipe.Recipe, map[int]*recipe.Plan, Check) {
	t.Helper()
	r, err := recipe.Parse([]byte(file), recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	base, err := r.Plan(0, recipe.Config{}, recipe.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := r.Plan(1, base.Config, recipe.PlanOptions{Base: base})
	if err != nil {
		t.Fatal(err)
	}
	return r, map[int]*recipe.Plan{0: base, 1: result}, Check{Name: "Dockerfile", Source: []byte(file), Warnings: r.Warnings}
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", what, got, want)
	}
}

func TestCheckText(t *testing.T) {
	_, _, c := read(t)
	c.Err = &recipe.Error{Name: "Dockerfile", Msg: "no such thing", Location: c.Warnings[0].Location}
	var b strings.Builder
	if err := c.Text(&b); err != nil {
		t.Fatal(err)
	}
	same(t, "check", b.String(), `Check complete, 1 warning has been found!

WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
Stage name 'Result' should be lowercase
Dockerfile:10
--------------------
   8 |     
   9 |     # result greets
  10 | >>> FROM base AS Result
  11 |     ARG NAME
  12 |     RUN --mount=type=ssh $NAME
--------------------

no such thing
Dockerfile:10
--------------------
   8 |     
   9 |     # result greets
  10 | >>> FROM base AS Result
  11 |     ARG NAME
  12 |     RUN --mount=type=ssh $NAME
--------------------
`)
	b.Reset()
	none := Check{}
	if err := none.Text(&b); err != nil || !none.OK() || c.OK() {
		t.Errorf("%v; OK: got %v, %v, want true, false", err, none.OK(), c.OK())
	}
	same(t, "nothing", b.String(), "Check complete, no warnings found.\n")
	same(t, "summary", Summary(c.Warnings), " 1 warning found (use --check to expand):\n - StageNameCasing: Stage name 'Result' should be lowercase (line 10)\n")
	same(t, "no summary", Summary(nil), "")
}

func TestCheckJSON(t *testing.T) {
	_, _, c := read(t)
	c.Err = errors.New("registry is away")
	var b strings.Builder
	if err := c.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Warnings []struct {
			RuleName, Detail string
			Location         struct {
				Ranges []struct{ Start struct{ Line int } }
			}
		}
		Sources    []struct{ Data []byte }
		BuildError struct{ Message string }
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Warnings) != 1 || got.Warnings[0].RuleName != "StageNameCasing" || got.Warnings[0].Location.Ranges[0].Start.Line != 10 ||
		string(got.Sources[0].Data) != file || got.BuildError.Message != "registry is away" {
		t.Errorf("got %+v from\n%s", got, b.String())
	}
}

func TestOutline(t *testing.T) {
	r, plans, _ := read(t)
	o := r.Outline(plans)
	var b strings.Builder
	if err := Outline(&b, o); err != nil {
		t.Fatal(err)
	}
	same(t, "outline", b.String(), `TARGET:      result
DESCRIPTION: greets

BUILD ARG   VALUE    DESCRIPTION
VERSION     1        
NAME        world1   is for the greeting

SECRET   REQUIRED
token    true

SSH       REQUIRED
default   

`)
	b.Reset()
	if err := OutlineJSON(&b, o, []byte(file)); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Name string
		Args []struct {
			Name, Value string
			Location    struct {
				Ranges []struct{ Start struct{ Line int } }
			}
		}
		Secrets []struct{ Required bool }
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "result" || len(got.Args) != 2 || got.Args[1].Value != "world1" || got.Args[0].Location.Ranges[0].Start.Line != 2 || !got.Secrets[0].Required {
		t.Errorf("got %+v from\n%s", got, b.String())
	}
}

func TestTargets(t *testing.T) {
	r, _, _ := read(t)
	var b strings.Builder
	if err := Targets(&b, r.Targets()); err != nil {
		t.Fatal(err)
	}
	same(t, "targets", b.String(), `TARGET           DESCRIPTION
base             is what all begin with
result (default) greets
`)
	b.Reset()
	if err := TargetsJSON(&b, r.Targets(), []byte(file)); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Targets []struct {
			Name, Base string
			Default    bool
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Targets) != 2 || got.Targets[0].Base != "debian:$VERSION" || got.Targets[0].Default || !got.Targets[1].Default {
		t.Errorf("got %+v from\n%s", got, b.String())
	}
}
