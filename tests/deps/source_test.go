package deps

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

// Hard limits of the style guide.
const (
	maxFileLines = 600
	maxFuncLines = 100
)

// sources parses all of skiff's own files that are not tests.
func sources(t *testing.T, visit func(path string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	top, n := repo(t), 0
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != top && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "out") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		if generator(f) {
			return nil
		}
		n++
		rel, _ := filepath.Rel(top, path)
		visit(rel, fset, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 10 {
		t.Fatalf("found only %d source files below %s", n, top)
	}
}

// generator reports whether a file is a program that go generate runs, and no
// part of its package.
func generator(f *ast.File) bool {
	for _, group := range f.Comments {
		if group.Pos() > f.Package {
			return false
		}
		for _, c := range group.List {
			if c.Text == "//go:build ignore" {
				return true
			}
		}
	}
	return false
}

// TestNothingRunsBeforeMain: no init functions, and no package variable whose
// value is computed by a call.
func TestNothingRunsBeforeMain(t *testing.T) {
	sources(t, func(path string, fset *token.FileSet, f *ast.File) {
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					t.Errorf("%s: init function", fset.Position(d.Pos()))
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					for _, v := range spec.(*ast.ValueSpec).Values {
						checkInitial(t, fset, v)
					}
				}
			}
		}
	})
}

// cheap are the calls that a package variable may be made by.
var cheap = []string{"errors.New", "sync.OnceValue", "sync.OnceValues", "sync.OnceFunc", "uint32", "int64", "byte", "string", "len"}

func checkInitial(t *testing.T, fset *token.FileSet, v ast.Expr) {
	ast.Inspect(v, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false // runs later
		case *ast.CallExpr:
			name := callee(n.Fun)
			if name != "" && !slices.Contains(cheap, name) {
				t.Errorf("%s: the package variable is made by calling %s at start", fset.Position(n.Pos()), name)
			}
		}
		return true
	})
}

// callee is the called function's name; "" for a conversion to a type literal.
func callee(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
		return e.Sel.Name
	}
	return ""
}

// TestSizes: the limits at which a file or function is no longer one thing.
func TestSizes(t *testing.T) {
	sources(t, func(path string, fset *token.FileSet, f *ast.File) {
		if n := fset.Position(f.End()).Line; n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", path, n, maxFileLines)
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; n > maxFuncLines {
				t.Errorf("%s: %s has %d lines, more than %d", fset.Position(fn.Pos()), fn.Name.Name, n, maxFuncLines)
			}
		}
	})
}

// TestForbiddenCalls: each with the way to do it instead.
func TestForbiddenCalls(t *testing.T) {
	instead := map[string]string{
		"os.Create":       "truncates what a link points to: use os.OpenFile with O_EXCL, or jsonfile.Write",
		"ioutil.ReadFile": "use os.ReadFile",
		"ioutil.TempDir":  "use os.MkdirTemp",
		"syscall.Kill":    "signals a number that may be somebody else's by now: use a pidfd",
		"unix.Kill":       "signals a number that may be somebody else's by now: use a pidfd",
		"log.Fatal":       "return an error",
		"log.Fatalf":      "return an error",
	}
	sources(t, func(path string, fset *token.FileSet, f *ast.File) {
		if strings.HasPrefix(path, "tests/") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				why, bad := instead[callee(call.Fun)]
				if bad && strings.HasSuffix(callee(call.Fun), ".Kill") && isParent(path) {
					return true
				}
				if bad {
					t.Errorf("%s: %s: %s", fset.Position(call.Pos()), callee(call.Fun), why)
				}
			}
			return true
		})
	})
}

// isParent reports whether the file is of a program that signals its own
// children before it reaps them: until then their numbers are theirs.
func isParent(path string) bool {
	return strings.HasPrefix(path, "runtime/monitor/") || strings.HasPrefix(path, "runtime/proctree/") || strings.HasPrefix(path, "runtime/init/")
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
