package place

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWorkdirBelongsToTheUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"etc/passwd": "app:x:12:34::/:/bin/sh\n", "there/f": ""})
	root := openRoot(t, dir)
	for _, c := range []struct{ dir, user, look string }{
		{"/none/at/all", "", "0755 0:0"},
		{"/by/name", "app", "0755 12:34"},
		{"/by/number", "56", "0755 56:56"},
		{"/with/group", "app:78", "0755 12:78"},
		{"/unknown", "nobody", "0755 0:0"},
		{"/there", "app", looks(t, dir, "there")},
	} {
		if err := Workdir(root, c.dir, c.user); err != nil {
			t.Errorf("%s as %q: %v", c.dir, c.user, err)
			continue
		}
		if got := looks(t, dir, c.dir); got != c.look {
			t.Errorf("%s as %q is %q, want %q", c.dir, c.user, got, c.look)
		}
	}
	if got, want := looks(t, dir, "by"), "0755 12:34"; got != want {
		t.Errorf("a directory on the way is %q, want %q", got, want)
	}
	if err := Workdir(root, "/etc/passwd", ""); err == nil {
		t.Errorf("a file was taken for %s", filepath.Join(dir, "etc/passwd"))
	}
}
