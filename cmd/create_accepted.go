package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/state"
)

// acceptedFlags are options of Docker and Podman for what skiff has one kind of
// or nothing: the value that changes nothing is taken, others are refused.
func acceptedFlags() []cli.Flag {
	return []cli.Flag{
		toggle("Accepted for docker's sake; policy.json says what is trusted", "disable-content-trust"),
		text("Isolation technology; Linux has only default", "isolation"),
		list("Accepted and left out: skiff gives no link-local addresses", "link-local-ip"),
		text("Driver of volumes that are made; there is only local", "volume-driver"),
	}
}

// accepted checks acceptedFlags.
func (f *form) accepted(*state.Extras) {
	only := func(name, value string) func(string) (string, error) {
		return func(s string) (string, error) {
			if s != "" && s != value {
				return "", fmt.Errorf("cannot use --%s %q: there is only %s", name, s, value)
			}
			return s, nil
		}
	}
	word(f, "isolation", only("isolation", "default"), func(string) {})
	word(f, "volume-driver", only("volume-driver", "local"), func(string) {})
	values(f, "link-local-ip", parse.IP, func(s string) {
		f.warn(fmt.Sprintf("--link-local-ip %s is left out: skiff gives no link-local addresses", s))
	})
}
