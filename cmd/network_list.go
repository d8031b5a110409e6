package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/libpod/inspect"
	"skiff/state"
)

func newNetworkList(app *App) *cli.Command {
	return &cli.Command{
		Name:  "network ls",
		Usage: "List networks",
		Description: `Lists the networks of this machine. bridge, host and none exist from the start.
Filters: dangling, driver, id, label, name, scope, type, until.

Examples:
skiff network ls
skiff network ls --filter type=custom --format "{{.Name}} {{.Driver}}"`,
		Flags: append(formatFlags(),
			list("List the networks that match, such as driver=bridge", "filter", "f"),
			toggle("Same as --noheading", "n"),
			toggle("Print names only", "quiet", "q")),
		Action: func(c *cli.Context) error { return listNetworks(app, c) },
	}
}

func listNetworks(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	filters, err := libpod.ParseFilters("network", c.StringSlice("filter"))
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	nets, unreadable := e.NetworkList(filters)
	if nets == nil { // the filters are wrong: there always are some networks
		return unreadable
	}
	rows := make([]networkRow, len(nets))
	for i, r := range nets {
		r.Name = app.networkName(r.Name)
		rows[i] = networkRow{r: r, docker: app.Docker, noTrunc: c.Bool("no-trunc")}
	}
	slices.SortFunc(rows, func(a, b networkRow) int { return strings.Compare(a.Name(), b.Name()) })
	l := listing[networkRow]{
		columns: []format.Column[networkRow]{
			{Head: "NETWORK ID", Cell: networkRow.ID}, {Head: "NAME", Cell: networkRow.Name}, {Head: "DRIVER", Cell: networkRow.Driver},
		},
		heads: map[string]string{"ID": "NETWORK ID"}, fields: networkRow.fields,
		document:  func(rows []networkRow) any { return append([]networkRow{}, rows...) },
		noHeading: c.Bool("noheading") || c.Bool("n"),
	}
	if app.Docker {
		l.columns = append(l.columns, format.Column[networkRow]{Head: "SCOPE", Cell: networkRow.Scope})
	}
	switch {
	case c.Bool("quiet") && app.Docker:
		l.quiet = networkRow.ID
	case c.Bool("quiet"):
		l.quiet = networkRow.Name
	}
	return errors.Join(l.print(app, app.listFormat(c, func(d dockerConfig) string { return d.NetworksFormat }), rows), unreadable)
}

// networkRow is a network as network ls prints it. Its methods are the template
// fields of docker and podman.
type networkRow struct {
	r               state.NetworkRecord
	docker, noTrunc bool
}

func (r networkRow) ID() string {
	if r.noTrunc {
		return r.r.ID
	}
	return format.ShortID(r.r.ID)
}

func (r networkRow) Name() string               { return r.r.Name }
func (r networkRow) Driver() string             { return r.r.Driver }
func (r networkRow) Scope() string              { return "local" }
func (r networkRow) Internal() bool             { return r.r.Internal }
func (r networkRow) IPv4() bool                 { return r.r.Subnet != "" || r.r.Name == state.DefaultNetwork }
func (r networkRow) IPv6() bool                 { return r.r.Subnet6 != "" }
func (r networkRow) IPv6Enabled() bool          { return r.IPv6() }
func (r networkRow) DNSEnabled() bool           { return r.document().DNSEnabled }
func (r networkRow) NetworkInterface() string   { return r.r.Bridge }
func (r networkRow) Created() time.Time         { return r.r.Created }
func (r networkRow) Subnets() []inspect.Subnet  { return r.document().Subnets }
func (r networkRow) Options() map[string]string { return r.r.Options }
func (r networkRow) Label(key string) string    { return r.r.Labels[key] }

// IPAMOptions says how addresses are given out. Podman's, as are the next two.
func (r networkRow) IPAMOptions() map[string]string { return r.document().IPAMOptions }
func (r networkRow) NetworkDNSServers() []string    { return r.r.DNS }
func (r networkRow) Routes() []inspect.Route        { return r.document().Routes }
func (r networkRow) CreatedAt() string {
	return r.r.Created.Local().Format("2006-01-02 15:04:05.999999999 -0700 MST")
}

func (r networkRow) Labels() string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(r.r.Labels)) {
		out = append(out, k+"="+r.r.Labels[k])
	}
	return strings.Join(out, ",")
}

func (r networkRow) document() *inspect.NetworkDocument { return inspect.Network(r.r, nil) }

// fields are docker's, in its order.
func (r networkRow) fields() []field {
	return []field{
		{"CreatedAt", r.CreatedAt()}, {"Driver", r.Driver()}, {"ID", r.ID()}, {"IPv4", fmt.Sprint(r.IPv4())}, {"IPv6", fmt.Sprint(r.IPv6())},
		{"Internal", fmt.Sprint(r.Internal())}, {"Labels", r.Labels()}, {"Name", r.Name()}, {"Scope", r.Scope()},
	}
}

// MarshalJSON is the row for {{json .}} and podman's --format json.
func (r networkRow) MarshalJSON() ([]byte, error) {
	if r.docker {
		return object(r.fields()), nil
	}
	return json.Marshal(r.document())
}
