package cmd

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sysctlNames are the parameters of the kernel that begin with last, in the
// dotted form, with the equals sign that comes next. Only those that belong to a
// namespace can be set for a container: net.*, fs.mqueue.* and some of kernel.*.
// namespaces(7), Docker: --sysctl.
func sysctlNames(dir, last string) answer {
	a := answer{how: completeNoFiles}
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be read cannot be set either
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == "." {
			return nil
		}
		// A dot in a name, as of a network interface, is a slash in dotted form.
		name := strings.NewReplacer("/", ".", ".", "/").Replace(rel)
		switch {
		case d.IsDir() && !strings.HasPrefix(name+".", last) && !strings.HasPrefix(last, name+"."):
			return fs.SkipDir
		case !d.IsDir() && strings.HasPrefix(name, last) && namespaced(name):
			a.list = append(a.list, candidate{word: name + "="})
		}
		return nil
	})
	return a
}

// namespaced says whether a sysctl is one of a namespace that containers have.
func namespaced(name string) bool {
	return strings.HasPrefix(name, "net.") || strings.HasPrefix(name, "fs.mqueue.") || slices.Contains([]string{
		"kernel.domainname", "kernel.hostname", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shm_rmid_forced", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
	}, name)
}

// hostInterfaces are the host's network interfaces.
func hostInterfaces() answer {
	a := choices()
	entries, _ := os.ReadDir("/sys/class/net")
	for _, e := range entries {
		a.list = append(a.list, candidate{word: e.Name()})
	}
	return a
}
