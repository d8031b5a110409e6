package recipe

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzPlan: no file makes Parse or Plan panic, planning twice gives the same, and
// whatever is shown is one line.
func FuzzPlan(f *testing.F) {
	files, err := filepath.Glob("testdata/plan/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(get(a, "Dockerfile"), "RUN x", "1")
	}
	f.Add([]byte("FROM a\nRUN ${A//x/y} ${A##*} ${A:+${B}}\n"), "COPY --from=a <<x /y\nz\nx", "$A")
	f.Fuzz(func(t *testing.T, source []byte, trigger, value string) {
		o := Options{Args: map[string]string{"A": value, "VERSION": value}, Contexts: map[string]bool{"ctx": true}}
		bases := map[string]Config{"debian": {OnBuild: []string{trigger}}}
		_, one, err := planAll(source, o, bases)
		_, two, again := planAll(source, o, bases)
		if (err == nil) != (again == nil) {
			t.Fatalf("errors: got %v, then %v", err, again)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("error of several lines: %q", err)
		}
		for i, p := range one {
			q := two[i]
			if q == nil || len(p.Steps) != len(q.Steps) {
				t.Fatalf("stage %d: planned differently", i)
			}
			for j, s := range p.Steps {
				if strings.ContainsAny(s.Title, "\n\x1b") {
					t.Errorf("title of several lines: %q", s.Title)
				}
				if !bytes.Equal(s.Key(), q.Steps[j].Key()) || s.CreatedBy != q.Steps[j].CreatedBy {
					t.Errorf("step %d of stage %d: got\n%s %s, then\n%s %s", j, i, s.Key(), s.CreatedBy, q.Steps[j].Key(), q.Steps[j].CreatedBy)
				}
				for _, l := range s.Location {
					if l.Start.Line < 1 {
						t.Errorf("step %d of stage %d is in line %d", j, i, l.Start.Line)
					}
				}
			}
		}
	})
}
