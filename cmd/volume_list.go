package cmd

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/libpod/inspect"
)

func newVolumeList(app *App) *cli.Command {
	return &cli.Command{
		Name:  "volume ls",
		Usage: "List volumes",
		Description: `Lists the volumes of this machine. Filters: anonymous, dangling, driver, label,
name, opt, scope, since, until.

Examples:
skiff volume ls
skiff volume ls -q --filter dangling=true
skiff volume ls --format "{{.Name}} {{.Mountpoint}}"`,
		Flags: append(formatFlags(),
			list("List the volumes that match, such as label=app", "filter", "f"),
			toggle("Same as --noheading", "n"),
			toggle("Print names only", "quiet", "q")),
		Action: func(c *cli.Context) error { return listVolumes(app, c) },
	}
}

func listVolumes(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	filters, err := libpod.ParseFilters("volume", c.StringSlice("filter"))
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	vols, unreadable := e.VolumeList(filters)
	if unreadable != nil && len(vols) == 0 {
		return unreadable
	}
	rows := make([]volumeRow, len(vols))
	for i, v := range vols {
		rows[i] = volumeRow{v: v, docker: app.Docker}
	}
	l := listing[volumeRow]{
		columns: []format.Column[volumeRow]{
			{Head: "DRIVER", Cell: volumeRow.Driver}, {Head: "VOLUME NAME", Cell: volumeRow.Name},
		},
		heads: map[string]string{"Name": "VOLUME NAME"}, fields: volumeRow.fields,
		document:  func(rows []volumeRow) any { return append([]volumeRow{}, rows...) },
		noHeading: c.Bool("noheading") || c.Bool("n"),
	}
	if c.Bool("quiet") {
		l.quiet = volumeRow.Name
	}
	return errors.Join(l.print(app, app.listFormat(c, func(d dockerConfig) string { return d.VolumesFormat }), rows), unreadable)
}

// volumeRow is a volume as volume ls prints it. Its methods are the template
// fields of docker and podman.
type volumeRow struct {
	v      libpod.Volume
	docker bool
}

func (r volumeRow) Name() string               { return r.v.Name }
func (r volumeRow) Driver() string             { return r.v.Driver }
func (r volumeRow) Mountpoint() string         { return r.v.Mountpoint }
func (r volumeRow) Scope() string              { return "local" }
func (r volumeRow) Label(key string) string    { return r.v.Labels[key] }
func (r volumeRow) Options() map[string]string { return r.v.Volume.Options }
func (r volumeRow) CreatedAt() time.Time       { return r.v.Created.Local() }
func (r volumeRow) Anonymous() bool            { return r.v.Anonymous }
func (r volumeRow) MountCount() int            { return r.v.Users }
func (r volumeRow) Size() string               { return "N/A" }
func (r volumeRow) Links() string              { return "N/A" }
func (r volumeRow) Status() string             { return "N/A" }
func (r volumeRow) Availability() string       { return "N/A" }
func (r volumeRow) Group() string              { return "N/A" }

// NeedsCopyUp says whether the volume is to be filled from an image, NeedsChown
// whether it then gets the owner of what it is mounted on. Podman's, as are the
// others down to Timeout.
func (r volumeRow) NeedsCopyUp() bool { return !r.v.Filled }
func (r volumeRow) NeedsChown() bool  { return !r.v.Filled }
func (r volumeRow) UID() int          { uid, _ := r.owner(); return uid }
func (r volumeRow) GID() int          { _, gid := r.owner(); return gid }
func (r volumeRow) StorageID() string { return "" } // of an image's volume
func (r volumeRow) Timeout() uint     { return 0 }  // of a plugin's driver

// owner is whom the volume's directory belongs to.
func (r volumeRow) owner() (uid, gid int) {
	st, err := os.Stat(r.v.Mountpoint)
	if err != nil {
		return 0, 0
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return int(sys.Uid), int(sys.Gid)
}

func (r volumeRow) Labels() string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(r.v.Labels)) {
		out = append(out, k+"="+r.v.Labels[k])
	}
	return strings.Join(out, ",")
}

// fields are docker's, in its order.
func (r volumeRow) fields() []field {
	return []field{
		{"Availability", r.Availability()}, {"Driver", r.Driver()}, {"Group", r.Group()}, {"Labels", r.Labels()},
		{"Links", r.Links()}, {"Mountpoint", r.Mountpoint()}, {"Name", r.Name()}, {"Scope", r.Scope()},
		{"Size", r.Size()}, {"Status", r.Status()},
	}
}

// MarshalJSON is the row for {{json .}} and podman's --format json.
func (r volumeRow) MarshalJSON() ([]byte, error) {
	if r.docker {
		return object(r.fields()), nil
	}
	return json.Marshal(inspect.VolumeDocument(r.v.Volume, r.v.Mountpoint, r.v.Users))
}
