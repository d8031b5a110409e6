package parse

import (
	"fmt"
	"path"
	"strings"
)

// Name checks a container's name and drops one leading slash, which Docker's
// own documents put there. Docker: --name.
func Name(s string) (string, error) {
	name := strings.TrimPrefix(s, "/")
	if !isName(name) {
		return "", fmt.Errorf("invalid container name %q: only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed", s)
	}
	return name, nil
}

// isName reports whether s is a name for a container, volume or network. The
// bound keeps names usable as file names with a suffix.
func isName(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for i := range len(s) {
		if !alnum(s[i]) && (i == 0 || !strings.ContainsRune("_.-", rune(s[i]))) {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// Hostname checks a host or domain name. Docker: --hostname, --domainname.
func Hostname(what, s string) (string, error) {
	bad := s == "" || len(s) > 63 && what == "hostname" || len(s) > 253
	for _, label := range strings.Split(s, ".") {
		bad = bad || label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-'
		for i := range len(label) {
			bad = bad || !alnum(label[i]) && label[i] != '-' && label[i] != '_'
		}
	}
	if bad {
		return "", fmt.Errorf("invalid %s %q: only letters, digits, dots and hyphens are allowed, at most 63 in one part", what, s)
	}
	return s, nil
}

// Workdir checks a working directory. Docker: --workdir.
func Workdir(s string) (string, error) {
	if !strings.HasPrefix(s, "/") {
		return "", fmt.Errorf("the working directory %q is invalid: it needs to be an absolute path", s)
	}
	return path.Clean(s), nil
}

// Stream checks the name of a standard stream. Docker: --attach.
func Stream(s string) (string, error) {
	switch l := strings.ToLower(s); l {
	case "stdin", "stdout", "stderr":
		return l, nil
	}
	return "", fmt.Errorf("invalid stream %q for --attach: want stdin, stdout or stderr", s)
}
