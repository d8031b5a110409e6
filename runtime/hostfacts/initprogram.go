package hostfacts

import "debug/elf"

// InitProgram is the path of a small init program for containers that the
// machine has, or empty. Only one that is linked statically runs in any image.
func (h *Host) InitProgram() string {
	for _, name := range []string{
		"usr/libexec/podman/catatonit", "usr/lib/podman/catatonit", "usr/bin/catatonit",
		"usr/libexec/docker/docker-init", "usr/bin/docker-init", "usr/bin/tini-static", "usr/bin/tini", "sbin/tini",
	} {
		if path := h.path(name); static(path) {
			return path
		}
	}
	return ""
}

func static(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}
