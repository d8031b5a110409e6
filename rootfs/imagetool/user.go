package main

import (
	"bufio"
	"fmt"
	"os"
)

// tellUser lets the libraries know when this process is an ordinary user's root
// in a user namespace: they then use the user's own files (auth.json, policy,
// signatures) and not the system's. The variables are the ecosystem's.
//
// A mapping of root to one single id is how runtime/rootless maps the user. The
// root of a system container has a range, and is root.
func tellUser() {
	for _, v := range []struct{ variable, file string }{
		{"_CONTAINERS_ROOTLESS_UID", "/proc/self/uid_map"},
		{"_CONTAINERS_ROOTLESS_GID", "/proc/self/gid_map"},
	} {
		if os.Getenv(v.variable) == "" {
			if id, ok := mappedRoot(v.file); ok {
				os.Setenv(v.variable, id)
			}
		}
	}
}

// mappedRoot gives the id outside of the user namespace that is root inside, if
// it is a single one.
func mappedRoot(file string) (id string, ok bool) {
	f, err := os.Open(file)
	if err != nil {
		return "", false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var inside, outside, size uint32
		if n, _ := fmt.Sscan(s.Text(), &inside, &outside, &size); n == 3 && inside == 0 && size == 1 && outside != 0 {
			return fmt.Sprint(outside), true
		}
	}
	return "", false
}
