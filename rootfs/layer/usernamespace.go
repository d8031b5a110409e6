package layer

import (
	"os"
	"strings"
)

// InUserNamespace reports whether this process is in a user namespace that is not
// the machine's first: there overlay keeps its marks in user attributes.
// user_namespaces(7).
func InUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(b)), " ") != "0 0 4294967295"
}
