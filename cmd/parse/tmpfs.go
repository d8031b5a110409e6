package parse

import (
	"fmt"
	"strconv"
	"strings"

	"skiff/state"
)

// Tmpfs reads one --tmpfs value: TARGET[:OPTION,…] in mount(8)'s words.
func Tmpfs(s string) (m state.Mount, err error) {
	dir, opts, has := strings.Cut(s, ":")
	m.Type = state.MountTmpfs
	if m.Target, err = target(dir); err != nil {
		return m, fmt.Errorf("invalid tmpfs %q: %w", s, err)
	}
	if !has || opts == "" {
		return m, nil
	}
	for _, o := range strings.Split(opts, ",") {
		k, v, _ := strings.Cut(o, "=")
		if err := tmpfsField(&m, k, v); err != nil {
			return m, fmt.Errorf("invalid tmpfs %q: %w", s, err)
		}
	}
	return m, nil
}

func tmpfsField(m *state.Mount, k, v string) error {
	word := k
	switch k {
	case "ro":
		m.ReadOnly = true
		return nil
	case "rw", "notmpcopyup":
		return nil
	case "private", "rprivate", "shared", "rshared", "slave", "rslave":
		m.Propagation = k
		return nil
	case "exec", "noexec", "dev", "nodev", "suid", "nosuid", "sync", "async", "atime", "noatime", "diratime",
		"nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "tmpcopyup", "noswap":
		if v != "" {
			return fmt.Errorf("the option %q takes no value", k)
		}
	case "size", "nr_blocks":
		if !strings.HasSuffix(v, "%") {
			n, err := Size(v)
			if err != nil {
				return err
			}
			v = strconv.FormatInt(n, 10)
		} else if n, err := strconv.ParseUint(strings.TrimSuffix(v, "%"), 10, 16); err != nil || n == 0 {
			return fmt.Errorf("invalid size %q", v)
		}
		word = k + "=" + v
	case "mode":
		if _, err := strconv.ParseUint(v, 8, 12); err != nil {
			return fmt.Errorf("invalid mode %q: want an octal number such as 1777", v)
		}
		word = k + "=" + v
	case "uid", "gid", "nr_inodes":
		if _, err := strconv.ParseUint(v, 10, 32); err != nil {
			return fmt.Errorf("invalid value %q for %s: want a number", v, k)
		}
		word = k + "=" + v
	default:
		return fmt.Errorf("unknown option %q", k)
	}
	m.Options = append(m.Options, word)
	return nil
}
