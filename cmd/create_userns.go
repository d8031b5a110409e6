package cmd

import (
	"os"

	"github.com/urfave/cli/v2"
)

func userNamespaceFlags() []cli.Flag {
	return []cli.Flag{
		text("User namespace: auto, container:NAME, host, keep-id, nomap, ns:PATH, private", "userns"),
		list("Map user ids, as [FLAGS]CONTAINER:FROM[:AMOUNT]", "uidmap"),
		list("Map group ids, as [FLAGS]CONTAINER:FROM[:AMOUNT]", "gidmap"),
		text("Map the user ids that /etc/subuid gives to a name", "subuidname"),
		text("Map the group ids that /etc/subgid gives to a name", "subgidname"),
	}
}

// userNamespace reads the flags that map ids; --userns itself is among the other
// namespaces. The variable is Podman's.
func (f *form) userNamespace() {
	m := &f.req.IDMap
	m.UIDMap, m.GIDMap = f.c.StringSlice("uidmap"), f.c.StringSlice("gidmap")
	m.SubUID, m.SubGID = f.c.String("subuidname"), f.c.String("subgidname")
	switch given := f.c.IsSet("userns"); {
	case given && f.c.String("userns") == "":
		f.cfg.Namespaces.User = "host" // and not what containers.conf says
	case !given && m.Empty():
		f.namespace("userns", os.Getenv("PODMAN_USERNS"))
	}
}
