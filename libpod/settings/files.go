package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

const fileName = "containers.conf"

// files lists the files to read, the one that overrides all others last. Those
// that must be there are reported as missing when they are read.
// See containers.conf(5), section FILES.
func (src Source) files() ([]file, error) {
	var out []file
	if path, ok := src.Lookup("CONTAINERS_CONF"); ok && path != "" {
		out = append(out, file{path, true})
	} else {
		if !src.NoVendor {
			out = append(out, file{filepath.Join(src.Root, "/usr/share/containers", fileName), false})
		}
		etc := filepath.Join(src.Root, "/etc/containers", fileName)
		out = append(append(out, file{etc, false}), dropIns(etc)...)
		if src.UID != 0 {
			out = append(out, dropIns(filepath.Join(src.Root, "/etc/containers", "containers.rootless.conf"))...)
			if home := src.configHome(); home != "" {
				own := filepath.Join(home, "containers", fileName)
				out = append(append(out, file{own, false}), dropIns(own)...)
			}
		}
	}
	for _, m := range src.Modules {
		path, err := src.module(m)
		if err != nil {
			return nil, err
		}
		out = append(out, file{path, true})
	}
	if path, ok := src.Lookup("CONTAINERS_CONF_OVERRIDE"); ok && path != "" {
		out = append(out, file{path, true})
	}
	return out, nil
}

type file struct {
	path string
	must bool
}

// dropIns are the files <path>.d/*.conf by name.
func dropIns(path string) []file {
	entries, err := os.ReadDir(path + ".d")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".conf") && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	out := make([]file, len(names))
	for i, n := range names {
		out[i] = file{filepath.Join(path+".d", n), false}
	}
	return out
}

func (src Source) configHome() string {
	if dir, ok := src.Lookup("XDG_CONFIG_HOME"); ok && dir != "" {
		return dir
	}
	if home, ok := src.Lookup("HOME"); ok && home != "" {
		return filepath.Join(home, ".config")
	}
	return ""
}

// module finds a module: an absolute path, or a name below one of the
// directories containers.conf.modules, the user's first.
func (src Source) module(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	var dirs []string
	if home := src.configHome(); src.UID != 0 && home != "" {
		dirs = append(dirs, filepath.Join(home, "containers"))
	}
	dirs = append(dirs, filepath.Join(src.Root, "/etc/containers"), filepath.Join(src.Root, "/usr/share/containers"))
	for _, d := range dirs {
		path := filepath.Join(d, "containers.conf.modules", name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cannot load module %q: %w", name, err)
		}
	}
	return "", fmt.Errorf("cannot load module %q: it is in none of the containers.conf.modules directories below %s", name, strings.Join(dirs, ", "))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
