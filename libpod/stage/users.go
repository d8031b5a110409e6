package stage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
	"skiff/state"
)

// maxAccounts bounds the container's passwd and group in bytes.
const maxAccounts = 4 << 20

// addUsers adds lines to the container's passwd and group files.
func (s *starter) addUsers() error {
	x := s.cfg.Extra()
	if !x.AddUser && len(x.HostUsers) == 0 {
		return nil
	}
	passwd, err := readAccounts(s.root, "/etc/passwd")
	if err != nil {
		return err
	}
	var lines []string
	for _, line := range x.HostUsers {
		name, _, _ := strings.Cut(line, ":")
		if !passwd.has(0, name) {
			lines = append(lines, line)
			passwd = append(passwd, strings.Split(line, ":"))
		}
	}
	if x.AddUser {
		user, group := s.missing(passwd)
		if user != "" {
			lines = append(lines, user)
		}
		groups, err := readAccounts(s.root, "/etc/group")
		if err != nil {
			return err
		}
		if group != "" && !groups.has(2, group) {
			if err := s.appendLines("/etc/group", []string{groupLine(x, group)}); err != nil {
				return err
			}
		}
	}
	return s.appendLines("/etc/passwd", lines)
}

// missing is the line for the container's user where passwd has none, and the
// user's group, both empty where names are given: those have to be known.
func (s *starter) missing(passwd accounts) (line, gid string) {
	uid, gid, _ := strings.Cut(s.cfg.Process.User, ":")
	if !isNumber(uid) {
		return "", ""
	}
	if gid == "" {
		gid = "0"
		for _, f := range passwd {
			if len(f) > 3 && f[2] == uid {
				gid = f[3]
			}
		}
	}
	if !isNumber(gid) {
		gid = ""
	}
	if gid == "" || passwd.has(2, uid) {
		return "", gid
	}
	const name = "container user"
	home := s.cfg.Process.Cwd
	if entry := s.cfg.Extra().PasswdEntry; entry != "" {
		return expand(entry, map[string]string{
			"USERNAME": uid, "UID": uid, "GID": gid, "NAME": name, "HOME": home,
		}), gid
	}
	return fmt.Sprintf("%s:*:%s:%s:%s:%s:/bin/sh", uid, uid, gid, name, home), gid
}

func groupLine(x state.Extras, gid string) string {
	if x.GroupEntry != "" {
		return expand(x.GroupEntry, map[string]string{"GROUPNAME": gid, "GID": gid, "USERLIST": ""})
	}
	return gid + ":x:" + gid + ":"
}

// expand replaces $NAME and ${NAME}; $$ is a dollar sign.
func expand(template string, values map[string]string) string {
	values["$"] = "$"
	return strings.TrimRight(os.Expand(template, func(name string) string { return values[name] }), "\n")
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// accounts are the lines of passwd(5) or group(5) by field.
type accounts [][]string

func (a accounts) has(field int, value string) bool {
	for _, f := range a {
		if len(f) > field && f[field] == value {
			return true
		}
	}
	return false
}

func readAccounts(root *safepath.Root, path string) (out accounts, err error) {
	data, err := root.ReadFile(path, maxAccounts)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the container's %s: %w", path, err)
	}
	for line := range strings.Lines(string(data)) {
		out = append(out, strings.Split(strings.TrimRight(line, "\n"), ":"))
	}
	return out, nil
}

// appendLines adds lines to a file in the container, which is made if it is not
// there.
func (s *starter) appendLines(path string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	if err := s.appendTo(path, lines); err != nil {
		return fmt.Errorf("cannot add to the container's %s: %w", path, err)
	}
	return nil
}

func (s *starter) appendTo(path string, lines []string) error {
	root := s.root
	data, err := root.ReadFile(path, maxAccounts)
	if errors.Is(err, os.ErrNotExist) {
		uid, gid := s.rootIDs()
		if err := root.MkdirAll("/etc", 0o755, uid, gid); err != nil {
			return err
		}
		f, err := root.Create(path, unix.O_WRONLY|unix.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
		return errors.Join(err, f.Chown(uid, gid), f.Close())
	}
	if err != nil {
		return err
	}
	regular, err := root.OpenFile(path) // nothing but a regular file is written to
	if err != nil {
		return err
	}
	defer regular.Close()
	f, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(int(regular.Fd())), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	text := strings.Join(lines, "\n") + "\n"
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		text = "\n" + text
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
