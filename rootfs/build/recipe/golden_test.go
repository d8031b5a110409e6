package recipe

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestPlans reads each testdata/plan/*.txtar: a Dockerfile, perhaps base.json
// (configurations of base images by name) and options.json, and in plan what
// must come out.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := render(t, a)
			if *update {
				set(a, "plan", got)
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(get(a, "plan")); got != want {
				t.Errorf("%s:\ngot:\n%s\nwant:\n%s", f, got, want)
			}
		})
	}
}

func get(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func set(a *txtar.Archive, name, text string) {
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(text)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
}

// render plans what an archive asks for and shows it.
func render(t *testing.T, a *txtar.Archive) string {
	t.Helper()
	var o Options
	bases := map[string]Config{}
	decode(t, get(a, "options.json"), &o)
	decode(t, get(a, "base.json"), &bases)
	o.Build.OS, o.Build.Architecture = "linux", "amd64"
	var b strings.Builder
	r, plans, err := planAll(get(a, "Dockerfile"), o, bases)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("error %v is a %T, want an *Error", err, err)
		}
		fmt.Fprintf(&b, "error: %v\n", err)
		return b.String()
	}
	for _, w := range r.Warnings {
		showWarning(&b, w)
	}
	for _, s := range r.Stages {
		fmt.Fprintf(&b, "stage %d %q from %s needs %v for %s\n", s.Index, s.Name, showBase(s), s.Needs, FormatPlatform(s.Platform))
		if p := plans[s.Index]; p != nil {
			showPlan(&b, r, p)
		}
	}
	return b.String()
}

// planAll plans the wanted stages of a Dockerfile, with bases as given.
func planAll(source []byte, o Options, bases map[string]Config) (*Recipe, map[int]*Plan, error) {
	r, err := Parse(source, o)
	if err != nil {
		return nil, nil, err
	}
	plans := map[int]*Plan{}
	var plan func(i int) error
	plan = func(i int) error {
		if plans[i] != nil {
			return nil
		}
		s := r.Stages[i]
		for _, n := range s.Needs {
			if err := plan(n); err != nil {
				return err
			}
		}
		base, po := bases[s.BaseName], PlanOptions{}
		if s.Base == BaseStage {
			po.Base = plans[s.BaseAt]
			base = po.Base.Config
		}
		p, err := r.Plan(i, base, po)
		if err != nil {
			return err
		}
		plans[i] = p
		for _, n := range p.Needs {
			if err := plan(n); err != nil {
				return err
			}
		}
		return nil
	}
	return r, plans, plan(r.Result)
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if len(data) > 0 {
		if err := json.Unmarshal(data, v); err != nil {
			t.Fatal(err)
		}
	}
}

func showBase(s *Stage) string {
	switch s.Base {
	case BaseStage:
		return fmt.Sprintf("stage %d", s.BaseAt)
	case BaseScratch:
		return "scratch"
	case BaseContext:
		return "context " + s.BaseName
	}
	return "image " + s.BaseName
}

func showWarning(b *strings.Builder, w Warning) {
	first, _ := bounds(w.Location)
	fmt.Fprintf(b, "warning %s line %d: %s\n", w.Rule, first, w.Message)
}

func showPlan(b *strings.Builder, r *Recipe, p *Plan) {
	for _, w := range p.Warnings {
		showWarning(b, w)
	}
	for _, s := range p.Steps {
		first, _ := bounds(s.Location)
		fmt.Fprintf(b, "  %d: %s\n", first, s.CreatedBy)
		if s.Kind == StepConfig {
			continue
		}
		fmt.Fprintf(b, "     %s\n", r.Label(p, s))
		for _, v := range []any{s.Run, s.Copy} {
			if j, err := json.Marshal(v); err == nil && string(j) != "null" {
				fmt.Fprintf(b, "     %s\n", j)
			}
		}
	}
	cfg, _ := json.Marshal(p.Config)
	fmt.Fprintf(b, "  config %s\n", cfg)
	if p.Author != "" {
		fmt.Fprintf(b, "  author %s\n", p.Author)
	}
	if len(p.Needs) > 0 {
		fmt.Fprintf(b, "  needs %v\n", p.Needs)
	}
}
