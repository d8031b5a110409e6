// Package deps holds the rules on who may import whom and what a program may
// do before main. DESIGN: a process pays for every package that it links.
//
// Not here: how long a start takes (tests/bench); these tests count.
package deps

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// repo is the repository's top directory.
func repo(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// buildTags are the ones that the Makefile builds with.
func buildTags(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repo(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if tags, ok := strings.CutPrefix(line, "TAGS := "); ok {
			return strings.TrimSpace(tags)
		}
	}
	t.Fatal("the Makefile has no line TAGS")
	return ""
}

// graph maps each package to what it imports; roots are what was asked for.
type graph struct {
	roots   []string
	imports map[string][]string
	std     map[string]bool
}

// load asks the go command for everything that the packages link, built with or
// without cgo as the Makefile does.
func load(t *testing.T, cgo string, packages ...string) graph {
	t.Helper()
	const form = "{{.ImportPath}}\t{{.DepOnly}}\t{{.Standard}}\t{{join .Imports \" \"}}"
	cmd := exec.Command("go", append([]string{"list", "-deps", "-f", form}, packages...)...)
	cmd.Dir = repo(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo, "GOFLAGS=-buildvcs=false -tags="+buildTags(t))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(packages, " "), err, stderr.String())
	}
	g := graph{imports: map[string][]string{}, std: map[string]bool{}}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		g.imports[f[0]] = strings.Fields(f[3])
		g.std[f[0]] = f[2] == "true"
		if f[1] == "false" {
			g.roots = append(g.roots, f[0])
		}
	}
	return g
}

// chain is the shortest way from one of the roots to the package.
func (g graph) chain(to string) string {
	from := map[string]string{}
	queue := append([]string(nil), g.roots...)
	for _, r := range g.roots {
		from[r] = ""
	}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if p == to {
			way := p
			for q := from[p]; q != ""; q = from[q] {
				way = q + "\n\t-> " + way
			}
			return way
		}
		for _, q := range g.imports[p] {
			if _, seen := from[q]; !seen {
				from[q] = p
				queue = append(queue, q)
			}
		}
	}
	return to
}

// packages lists all linked packages in order.
func (g graph) packages() []string {
	all := make([]string, 0, len(g.imports))
	for p := range g.imports {
		all = append(all, p)
	}
	sort.Strings(all)
	return all
}

// within reports whether the package is the path or below it.
func within(pkg, path string) bool {
	return pkg == path || strings.HasPrefix(pkg, path+"/")
}

func withinAny(pkg string, paths []string) bool {
	for _, p := range paths {
		if within(pkg, p) {
			return true
		}
	}
	return false
}

// ours reports whether the package is part of skiff.
func ours(pkg string) bool { return within(pkg, "skiff") }
