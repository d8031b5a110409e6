// Package docs asserts that the documents agree with the code.
package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"skiff/state"
)

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestStateFormat: docs/state-format.md has a row for each stored field, in the
// section of its type, and none for fields that are gone.
func TestStateFormat(t *testing.T) {
	sections := map[string]map[string]bool{}
	var at map[string]bool
	heading := regexp.MustCompile("^#+ .*`(\\w+)`")
	row := regexp.MustCompile("^\\| `(\\w+)` \\|")
	for line := range strings.Lines(read(t, "docs/state-format.md")) {
		if m := heading.FindStringSubmatch(line); m != nil {
			at = map[string]bool{}
			sections[m[1]] = at
		} else if m := row.FindStringSubmatch(line); m != nil && at != nil {
			at[m[1]] = true
		}
	}
	todo := []reflect.Type{}
	for _, v := range []any{state.Config{}, state.Status{}, state.Desired{}, state.Image{}, state.Volume{}, state.Secret{}, state.NetworkRecord{}} {
		todo = append(todo, reflect.TypeOf(v))
	}
	seen := map[reflect.Type]bool{}
	for len(todo) > 0 {
		typ := todo[0]
		todo = todo[1:]
		if seen[typ] {
			continue
		}
		seen[typ] = true
		rows, ok := sections[typ.Name()]
		if !ok {
			t.Errorf("state.%s has no section", typ.Name())
			continue
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !rows[name] {
				t.Errorf("state.%s: field %q has no row", typ.Name(), name)
			}
			delete(rows, name)
			if inner := stored(f.Type); inner != nil {
				todo = append(todo, inner)
			}
		}
		for name := range rows {
			t.Errorf("state.%s: there is a row for %q, but no such field", typ.Name(), name)
		}
	}
}

// stored is the struct of package state that a field's type leads to, if any.
func stored(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Map {
		typ = typ.Elem()
	}
	if typ.Kind() == reflect.Struct && strings.HasSuffix(typ.PkgPath(), "/state") {
		return typ
	}
	return nil
}

// TestDependencies: each direct dependency has its line in the decisions.
func TestDependencies(t *testing.T) {
	doc := read(t, "docs/decisions/0001-dependencies.md")
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not .Indirect}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range strings.Fields(string(out)) {
		if module != "skiff" && !strings.Contains(doc, "| "+module+" |") {
			t.Errorf("%s has no line", module)
		}
	}
}

// TestLinks: what the documents point to in the repository is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../README.md") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(data), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s points to %s, which is not there", file, m[1])
			}
		}
	}
}
