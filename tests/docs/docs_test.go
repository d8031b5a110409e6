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

	"skiff/rootfs/build/cache"
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
		} else if strings.HasPrefix(line, "#") {
			at = nil
		} else if m := row.FindStringSubmatch(line); m != nil && at != nil {
			at[m[1]] = true
		}
	}
	todo := []reflect.Type{}
	for _, v := range []any{state.Config{}, state.Status{}, state.Desired{}, state.Health{}, state.Image{}, state.Volume{}, state.Secret{}, state.NetworkRecord{},
		cache.Record{}, cache.MountRecord{}, cache.Download{}} {
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
			t.Errorf("%v has no section", typ)
			continue
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !rows[name] {
				t.Errorf("%v: field %q has no row", typ, name)
			}
			delete(rows, name)
			if inner := stored(f.Type); inner != nil {
				todo = append(todo, inner)
			}
		}
		for name := range rows {
			t.Errorf("%v: there is a row for %q, but no such field", typ, name)
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
	files := pages(t)
	for _, file := range files {
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

// pages are the documents but for the manual, which package cmd looks at.
func pages(t *testing.T) []string {
	t.Helper()
	files := []string{"../../README.md"}
	for _, pattern := range []string{"*.md", "decisions/*.md", "handbook/*.md"} {
		found, err := filepath.Glob(filepath.Join("../../docs", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no documents docs/%s (%v)", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// TestChapters: the handbook's list has each chapter with its title, and each
// chapter leads to the next.
func TestChapters(t *testing.T) {
	chapters, err := filepath.Glob("../../docs/handbook/[0-9]*.md")
	if err != nil || len(chapters) == 0 {
		t.Fatalf("no chapters (%v)", err)
	}
	list := read(t, "docs/handbook/README.md")
	for i, path := range chapters {
		name := filepath.Base(path)
		text := read(t, "docs/handbook/"+name)
		title, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
		if line := "[" + title + "](" + name + ")"; !strings.Contains(list, line) {
			t.Errorf("the list lacks %s", line)
		}
		if i+1 < len(chapters) && !strings.Contains(text, "("+filepath.Base(chapters[i+1])+")\n") {
			t.Errorf("%s does not lead to %s", name, filepath.Base(chapters[i+1]))
		}
	}
}

// TestPackages: docs/architecture.md says what each package is for.
func TestPackages(t *testing.T) {
	out, err := exec.Command("go", "list", "skiff/cmd/...", "skiff/libpod/...", "skiff/runtime/...", "skiff/rootfs/...", "skiff/netsetup/...", "skiff/state/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	doc := read(t, "docs/architecture.md")
	for _, path := range strings.Fields(string(out)) {
		name := strings.TrimPrefix(path, "skiff/")
		if strings.HasPrefix(name, "rootfs/welcome/") {
			continue // named with the first of them
		}
		if !strings.Contains(doc, name) {
			t.Errorf("the table of packages lacks %s", name)
		}
	}
}

// TestPaths: docs/state-format.md names every file and directory that package
// dirs does.
func TestPaths(t *testing.T) {
	doc := read(t, "docs/state-format.md")
	word := regexp.MustCompile(`"(_?[a-z][a-z.-]+)"`)
	for line := range strings.Lines(read(t, "state/dirs/dirs.go")) {
		if !strings.Contains(line, "filepath.Join(") {
			continue
		}
		for _, m := range word.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(doc, m[1]) {
				t.Errorf("%q is not there", m[1])
			}
		}
	}
}
