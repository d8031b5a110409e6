package layer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// layerOf makes a layer of a description: "dir/", "file=content", "-whiteout",
// "!dir/" for an opaque directory, "link>target". Everything is of one time.
func layerOf(t *testing.T, entries ...string) string {
	t.Helper()
	dir := t.TempDir()
	fail := func(err error) {
		t.Helper()
		if errors.Is(err, unix.EPERM) {
			t.Skip("whiteouts take root")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var made []string
	for _, e := range entries {
		path := filepath.Join(dir, strings.TrimLeft(e, "-!"))
		switch name, rest, file := strings.Cut(path, "="); {
		case strings.HasPrefix(e, "-"):
			fail(unix.Mknod(path, unix.S_IFCHR, 0))
		case strings.HasSuffix(e, "/"):
			fail(os.MkdirAll(path, 0o755))
			if strings.HasPrefix(e, "!") {
				fail(unix.Setxattr(path, "trusted.overlay.opaque", []byte("y"), 0))
			}
			made = append(made, path)
		case file:
			fail(os.WriteFile(name, []byte(rest), 0o644))
			made = append(made, name)
		default:
			name, target, _ := strings.Cut(path, ">")
			fail(os.Symlink(target, name))
		}
	}
	when := time.Unix(1e9, 0)
	for _, p := range made {
		fail(os.Chtimes(p, when, when))
	}
	return dir
}

func TestChanges(t *testing.T) {
	base := []string{"etc/", "etc/passwd=root", "etc/group=root", "usr/", "usr/bin/", "usr/bin/sh=x", "lib>usr/lib", "srv/"}
	for _, c := range []struct {
		what  string
		upper []string
		want  string
	}{
		{"nothing", nil, ""},
		{"added and deleted", []string{"new=1", "etc/", "-etc/group"}, "C /etc\nD /etc/group\nA /new\n"},
		{"a changed file does not change its directory", []string{"etc/", "etc/passwd=other"}, "C /etc/passwd\n"},
		{"a tree", []string{"srv/", "srv/a/", "srv/a/b=1"}, "C /srv\nA /srv/a\nA /srv/a/b\n"},
		{"a deleted tree is one line", []string{"-usr"}, "D /usr\n"},
		{"a replaced directory", []string{"!etc/", "etc/passwd=new", "etc/own=1"}, "C /etc\nD /etc/group\nA /etc/own\nC /etc/passwd\n"},
		{"a directory in a link's place", []string{"lib/", "lib/x=1"}, "C /lib\nA /lib/x\n"},
		{"a link in a directory's place", []string{"srv>/etc"}, "C /srv\n"},
		{"a whiteout of nothing", []string{"-ghost"}, ""},
		{"the link that a start makes", []string{"etc/", "etc/mtab>/proc/mounts"}, ""},
		{"a link of its own", []string{"etc/", "etc/mtab>/proc/self/mounts"}, "C /etc\nA /etc/mtab\n"},
		{"a file of its own", []string{"etc/", "etc/mtab=none"}, "C /etc\nA /etc/mtab\n"},
		{"mount points", []string{"etc/", "etc/hosts=", "dev/", "proc/", "data/", "data/vol/"}, ""},
		{"a mount point with content", []string{"data/", "data/vol/", "data/vol/f=1", "etc/", "etc/hosts=127"}, "A /data\nA /data/vol\nA /data/vol/f\nC /etc\nA /etc/hosts\n"},
	} {
		t.Run(c.what, func(t *testing.T) {
			old := []string{layerOf(t, "etc/", "usr/"), layerOf(t, base...)}
			got, err := Comparison{Old: old, New: append(old[:2:2], layerOf(t, c.upper...)),
				MountPoints: []string{"/etc/hosts", "/dev", "/proc", "/data/vol"}}.Changes()
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, g := range got {
				fmt.Fprintln(&text, g.Kind, g.Path)
			}
			if text.String() != c.want {
				t.Errorf("got\n%swant\n%s", text.String(), c.want)
			}
		})
	}
}

func TestChangesSeeWhiteoutsOfTheImage(t *testing.T) {
	lower, mid := layerOf(t, "a=1", "d/", "d/x=1"), layerOf(t, "-a", "!d/", "d/y=1")
	got, err := Comparison{Old: []string{lower, mid}, New: []string{lower, mid, layerOf(t, "a=2", "d/", "d/x=2")}}.Changes()
	if err != nil || fmt.Sprint(got) != "[{A /a} {C /d} {A /d/x}]" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestHasOwnMtab(t *testing.T) {
	link, none := []string{"etc/", "etc/mtab>/proc/mounts"}, []string{"etc/", "etc/x=1"}
	for _, tt := range []struct {
		what         string
		below, upper []string
		want         bool
	}{
		{"made", none, link, true},
		{"made without an /etc below", []string{"usr/"}, link, true},
		{"not made", none, none, false},
		{"no /etc", none, []string{"usr/"}, false},
		{"what was below is replaced", []string{"etc/", "etc/mtab=old"}, link, false},
		{"another link", none, []string{"etc/", "etc/mtab>/proc/mount"}, false},
		{"a file", none, []string{"etc/", "etc/mtab=/proc/mounts"}, false},
		{"removed", link, []string{"etc/", "-etc/mtab"}, false},
		{"removed below", []string{"etc/", "-etc/mtab"}, link, true},
		{"/etc is a file", none, []string{"etc=1"}, false},
	} {
		if got, err := HasOwnMtab([]string{layerOf(t, tt.below...)}, layerOf(t, tt.upper...)); err != nil || got != tt.want {
			t.Errorf("%s: got %v, %v, want %v", tt.what, got, err, tt.want)
		}
	}
	if got, err := HasOwnMtab(nil, layerOf(t, link...)); err != nil || !got {
		t.Errorf("without an image: got %v, %v", got, err)
	}
}
