package stage

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestSameProgram(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	long := bytes.Repeat([]byte("skiff"), 1<<17)
	other := bytes.Clone(long)
	other[len(other)-1] = 'x'
	program := write("program", long)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		want bool
	}{
		"the file itself":          {program, true},
		"a link to it":             {link, true},
		"a copy":                   {write("copy", long), true},
		"another of the same size": {write("other", other), false},
		"one that begins like it":  {write("short", long[:1<<18]), false},
		"one that is empty":        {write("empty", nil), false},
	} {
		if got, err := sameProgram(c.path, program); err != nil || got != c.want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
		}
	}
	if _, err := sameProgram(filepath.Join(dir, "none"), program); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}
