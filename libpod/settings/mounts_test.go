package settings

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"skiff/state"
)

func TestReadMounts(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "mounts.conf")
	read := func(text string) ([]state.Mount, error) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return ReadMounts(file)
	}
	got, err := read("# secrets\n\n " + dir + "/link:/run/secrets/ \n/no/such/source:/x\n" + dir + "\n")
	want := []state.Mount{
		{Type: "bind", Source: dir, Target: "/run/secrets", ReadOnly: true},
		{Type: "bind", Source: dir, Target: dir, ReadOnly: true},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, error %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"relative:/x", dir + ":x", dir + ":/", dir + ":"} {
		if _, err := read(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: error %v", bad, err)
		}
	}
	if got, err := ReadMounts(filepath.Join(dir, "nosuch")); got != nil || err != nil {
		t.Errorf("a file that is not there: %v, %v", got, err)
	}
	if _, err := ReadMounts(dir); err == nil {
		t.Error("a directory passes for a file")
	}
}
