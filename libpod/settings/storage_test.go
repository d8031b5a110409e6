package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestImageStores(t *testing.T) {
	const conf = "[storage]\ndriver = \"overlay\"\n[storage.options]\nadditionalimagestores = [%s]\n"
	stores := func(list string) string { return strings.Replace(conf, "%s", list, 1) }
	cases := []struct {
		name    string
		files   map[string]string // below the root
		env     map[string]string
		options []string
		uid     int
		want    []string
		err     string
	}{
		{name: "no file"},
		{name: "a file that names none", files: map[string]string{"/etc/containers/storage.conf": "[storage]\n# additionalimagestores = [\"/x\"]\nbroken = ["}},
		{name: "the file of the machine", files: map[string]string{"/etc/containers/storage.conf": stores(`"/a", "/b/", "/a"`)}, want: []string{"/a", "/b"}},
		{
			name:  "the machine's file hides the distribution's",
			files: map[string]string{"/usr/share/containers/storage.conf": stores(`"/a"`), "/etc/containers/storage.conf": "[storage]\n"},
		},
		{
			name:  "a file of the .d directory overrides",
			files: map[string]string{"/etc/containers/storage.conf": stores(`"/a"`), "/etc/containers/storage.conf.d/x.conf": stores(`"/b"`)},
			want:  []string{"/b"},
		},
		{
			name:  "the user's file hides the machine's",
			files: map[string]string{"/etc/containers/storage.conf": stores(`"/a"`), "/home/containers/storage.conf": stores(`"/u"`)},
			uid:   1000, want: []string{"/u"},
		},
		{name: "root has no file of its own", files: map[string]string{"/home/containers/storage.conf": stores(`"/u"`)}},
		{name: "STORAGE_OPTS wins", files: map[string]string{"/etc/containers/storage.conf": stores(`"/a"`)}, env: map[string]string{"STORAGE_OPTS": "overlay.imagestore=/e"}, want: []string{"/e"}},
		{
			name: "the options win", env: map[string]string{"STORAGE_OPTS": "overlay.imagestore=/e"},
			options: []string{"overlay.imagestore=/o,/p", "additionalimagestore=/q", "overlay.mountopt=nodev"}, want: []string{"/o", "/p", "/q"},
		},
		{name: "an empty option is none", files: map[string]string{"/etc/containers/storage.conf": stores(`"/a"`)}, options: []string{""}},
		{name: "the own store", options: []string{"imagestore=/own"}},
		{name: "a relative path", options: []string{"imagestore=x"}, err: `"x": want an absolute path`},
		{name: "a broken file", files: map[string]string{"/etc/containers/storage.conf": "additionalimagestores = ["}, err: "storage.conf"},
		{name: "a file that is asked for must be there", env: map[string]string{"CONTAINERS_STORAGE_CONF": "/nowhere/x.conf"}, err: "/nowhere/x.conf"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for path, text := range c.files {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			src := Source{Root: root, UID: c.uid, Lookup: func(key string) (string, bool) {
				if key == "XDG_CONFIG_HOME" {
					return filepath.Join(root, "home"), true
				}
				val, ok := c.env[key]
				return val, ok
			}}
			got, err := src.ImageStores(c.options, "/own")
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Fatalf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}
