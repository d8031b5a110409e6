package premount

import "golang.org/x/sys/unix"

// nodes are the devices that every container has (OCI runtime specification,
// config-linux, "Default Devices"), but for those that are links.
var nodes = []struct {
	name         string
	major, minor uint32
}{
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
}

// makeNodes makes the standard devices in a new, empty /dev.
func makeNodes(dev int) error {
	for _, n := range nodes {
		if err := unix.Mknodat(dev, n.name, unix.S_IFCHR|0o666, int(unix.Mkdev(n.major, n.minor))); err != nil {
			return err
		}
		if err := unix.Fchmodat(dev, n.name, 0o666, 0); err != nil { // whatever the umask
			return err
		}
	}
	return nil
}
