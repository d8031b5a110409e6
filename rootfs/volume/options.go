package volume

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// resolveWait bounds the search for a file server's address.
const resolveWait = 10 * time.Second

// isNote says whether a word of the option o is for skiff and not for the kernel.
func isNote(word string) bool { return word == "copy" || word == "nocopy" || word == "noquota" }

// setting is an option of the local driver that Podman takes as a key of its own as
// well as in o.
func setting(o map[string]string, key string) string {
	for word := range strings.SplitSeq(o["o"], ",") {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	return o[key]
}

// noted says whether the option is set, in o or as a key of its own.
func noted(o map[string]string, word string) bool {
	_, own := o[word]
	return own || slices.Contains(strings.Split(o["o"], ","), word)
}

// checkOptions refuses what can never be mounted. Whether a server or a device is
// there is seen when the volume is used, but for Podman's type=bind.
func checkOptions(o map[string]string) error {
	known := []string{"type", "device", "o", "uid", "gid", "size", "inodes", "copy", "nocopy", "noquota"}
	for key, value := range o {
		if !slices.Contains(known, key) {
			return invalid("unknown option %q: the local driver has type, device and o, and in o uid, gid and size", key)
		}
		if strings.ContainsRune(value, 0) {
			return invalid("option %s is %q", key, value)
		}
	}
	for _, key := range []string{"uid", "gid"} {
		if value := setting(o, key); value != "" {
			if _, err := strconv.ParseUint(value, 10, 32); err != nil {
				return invalid("option %s is %q: want a number", key, value)
			}
		}
	}
	if o["device"] == "" {
		return checkDirectory(o)
	}
	return checkMount(o)
}

// checkDirectory checks the options of a volume that is a directory.
func checkDirectory(o map[string]string) error {
	switch {
	case o["type"] != "":
		return invalid("the options lack device")
	case setting(o, "size") != "" || setting(o, "inodes") != "":
		return invalid("a directory cannot be limited in size: take type=tmpfs and device=tmpfs, or a file system of its own")
	}
	for word := range strings.SplitSeq(o["o"], ",") {
		key, _, _ := strings.Cut(word, "=")
		if word != "" && !isNote(word) && key != "uid" && key != "gid" {
			return invalid("the options lack device, which o=%s is for", word)
		}
	}
	return nil
}

func checkMount(o map[string]string) error {
	m, _ := Mounted(&state.Volume{Options: o})
	switch {
	case m.Flags&unix.MS_BIND != 0:
		if !filepath.IsAbs(m.Source) {
			return invalid("option device is %q: want an absolute path", m.Source)
		}
		if o["type"] == "bind" {
			if _, err := os.Stat(m.Source); err != nil {
				return &bindError{&os.PathError{Op: "faccessat", Path: m.Source, Err: errors.Unwrap(err)}}
			}
		}
	case m.Type == "" || m.Type == "none":
		return invalid("the options lack type (or o=bind)")
	case strings.ContainsAny(m.Type, "/ \n"):
		return invalid("option type is %q: want a file system's name", m.Type)
	case m.Type == "nfs" || m.Type == "nfs4":
		if host, path, ok := strings.Cut(m.Source, ":"); !ok || !strings.HasPrefix(path, "/") || host == "" && m.datum("addr") == "" {
			return invalid("option device is %q: want HOST:/PATH, or :/PATH with addr=HOST in o", m.Source)
		}
	case m.Type == "cifs" || m.Type == "smb3":
		if host, share, ok := strings.Cut(strings.TrimPrefix(m.Source, "//"), "/"); !ok || host == "" || share == "" || !strings.HasPrefix(m.Source, "//") {
			return invalid("option device is %q: want //HOST/SHARE", m.Source)
		}
	}
	return nil
}

// bindError has Podman's words, which scripts know.
type bindError struct{ err error }

func (e *bindError) Error() string {
	return "invalid volume option device for driver 'local': " + e.err.Error()
}

func (e *bindError) Unwrap() error { return e.err }

// datum is an option of the file system's own.
func (m *Mount) datum(key string) string {
	for word := range strings.SplitSeq(m.Data, ",") {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	return ""
}

// setDatum replaces an option of the file system's own.
func (m *Mount) setDatum(key, value string) {
	words := slices.DeleteFunc(strings.Split(m.Data, ","), func(w string) bool { return w == "" || strings.HasPrefix(w, key+"=") })
	m.Data = strings.Join(append(words, key+"="+value), ",")
}

// findServer gives the kernel, which knows no names, the address of a file server.
// mount.nfs(8) and mount.cifs(8) do the same.
func (m *Mount) findServer() error {
	var key, host string
	switch m.Type {
	case "nfs", "nfs4":
		key = "addr"
		host, _, _ = strings.Cut(m.Source, ":")
	case "cifs", "smb3":
		if key = "addr"; m.datum("addr") == "" {
			key = "ip"
		}
		host, _, _ = strings.Cut(strings.TrimPrefix(m.Source, "//"), "/")
	default:
		return nil
	}
	if given := m.datum(key); given != "" {
		host = given
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		m.setDatum(key, ip.String())
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveWait)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("cannot find the file server %q: %w", host, err)
	}
	m.setDatum(key, ips[0].Unmap().String())
	return nil
}
