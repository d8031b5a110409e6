package parse

import (
	"fmt"
	"strings"
)

// DetachKeys reads a key sequence such as ctrl-p,ctrl-q into the bytes that a
// terminal sends for it. Empty means that no keys detach. A part is one
// character or ctrl- and one of a-z @ [ \ ] ^ _. Docker: --detach-keys.
func DetachKeys(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	var out []byte
	for _, part := range strings.Split(s, ",") {
		c, ctrl := strings.CutPrefix(strings.ToLower(part), "ctrl-")
		switch {
		case ctrl && len(c) == 1 && (c[0] >= 'a' && c[0] <= 'z'):
			out = append(out, c[0]-'a'+1)
		case ctrl && c == "@":
			out = append(out, 0)
		case ctrl && len(c) == 1 && c[0] >= '[' && c[0] <= '_':
			out = append(out, c[0]-'['+27)
		case !ctrl && len(part) == 1 && part[0] < 0x80:
			out = append(out, part[0])
		default:
			return nil, fmt.Errorf("invalid detach keys %q: %q is neither one character nor ctrl- and one of a-z @ [ \\ ] ^ _", s, part)
		}
	}
	return out, nil
}
