package cmd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/libpod/inspect"
)

func newImages(app *App) *cli.Command {
	return &cli.Command{
		Name:      "images",
		Usage:     "List images",
		ArgsUsage: "[IMAGE]",
		Description: `Lists the images of this machine, or those that IMAGE means: a name, with or
without tag, which may be a pattern.

Examples:
skiff images
skiff images --filter dangling=true -q
skiff images --format "table {{.Repository}} {{.Tag}} {{.Size}}" httpd`,
		Flags: append(formatFlags("n"),
			toggle("List intermediate images, too", "all", "a"),
			toggle("Print the digests", "digests"),
			list("List the images that match, such as label=app", "filter", "f"),
			toggle("Print the names that the images have had", "history"),
			toggle("Print ids only", "quiet", "q"),
			&cli.StringFlag{Name: "sort", Value: "created", Usage: "Sort by created, id, repository, size or tag"},
		),
		Action: func(c *cli.Context) error { return listImages(app, c) },
	}
}

func listImages(app *App, c *cli.Context) error {
	by := c.String("sort")
	if !oneOf(by, "created", "id", "repository", "size", "tag") {
		return usagef("invalid value %q for --sort: want created, id, repository, size or tag", by)
	}
	if c.NArg() > 1 {
		return usagef("the command takes at most one image")
	}
	if c.NArg() == 1 && c.IsSet("filter") {
		return usagef("cannot specify an image and a filter(s)")
	}
	filters, err := libpod.ParseFilters("image", c.StringSlice("filter"))
	if err != nil {
		return err
	}
	if c.NArg() == 1 {
		filters = append(filters, libpod.Filter{Key: "reference", Value: c.Args().First()})
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	want := app.listFormat(c, func(d dockerConfig) string { return d.ImagesFormat })
	images, err := e.ImageList(libpod.ImageListOptions{
		All: c.Bool("all"), Filters: filters,
		Containers: format.IsJSON(want) || strings.Contains(want, ".Containers") || strings.Contains(want, "json"),
	})
	if err != nil {
		return err
	}
	rows := imageRows(images, imageRow{now: time.Now(), noTrunc: c.Bool("no-trunc"), docker: app.Docker})
	sortImages(rows, by)
	if c.Bool("quiet") && !format.IsJSON(want) {
		return printImageIDs(app, rows)
	}
	l := imageListing(c)
	if slices.ContainsFunc(images, func(i libpod.Image) bool { return i.ReadOnly }) {
		l.columns = append(l.columns, format.Column[imageRow]{Head: "R/O", Cell: func(r imageRow) string { return strconv.FormatBool(r.i.ReadOnly) }})
	}
	return l.print(app, want, rows)
}

func printImageIDs(app *App, rows []imageRow) error {
	seen := map[string]bool{}
	for _, r := range rows {
		if !seen[r.i.ID] {
			seen[r.i.ID] = true
			if _, err := fmt.Fprintln(app.Out, r.ID()); err != nil {
				return err
			}
		}
	}
	return nil
}

func imageListing(c *cli.Context) listing[imageRow] {
	l := listing[imageRow]{
		heads:     map[string]string{"ID": "IMAGE ID", "Id": "IMAGE ID", "ReadOnly": "R/O", "CreatedSince": "CREATED"},
		fields:    imageRow.fields,
		noHeading: c.Bool("noheading"),
		document:  imageSummaries,
		columns: []format.Column[imageRow]{
			{Head: "REPOSITORY", Cell: imageRow.Repository}, {Head: "TAG", Cell: imageRow.Tag},
		},
	}
	if c.Bool("digests") {
		l.columns = append(l.columns, format.Column[imageRow]{Head: "DIGEST", Cell: imageRow.Digest})
	}
	l.columns = append(l.columns,
		format.Column[imageRow]{Head: "IMAGE ID", Cell: imageRow.ID},
		format.Column[imageRow]{Head: "CREATED", Cell: imageRow.CreatedSince},
		format.Column[imageRow]{Head: "SIZE", Cell: imageRow.Size})
	if c.Bool("history") {
		l.columns = append(l.columns, format.Column[imageRow]{Head: "HISTORY", Cell: imageRow.History})
	}
	return l
}

// imageSummaries is podman's JSON. Its rows are those of the table.
func imageSummaries(rows []imageRow) any {
	docs := make([]inspect.ImageSummary, len(rows))
	for i, r := range rows {
		docs[i] = r.summary()
	}
	return docs
}

// imageRows makes one row for each name of each image.
func imageRows(images []libpod.Image, like imageRow) []imageRow {
	var rows []imageRow
	for _, i := range images {
		row := like
		row.i = i
		names := i.Shown
		if len(names) == 0 && len(i.RepoDigests) > 0 {
			repo, _ := inspect.SplitName(i.RepoDigests[0])
			names = []string{repo}
		}
		if len(names) == 0 {
			row.repo, row.tag = "<none>", "<none>"
			rows = append(rows, row)
		}
		for _, n := range names {
			row.repo, row.tag = inspect.SplitName(n)
			rows = append(rows, row)
		}
	}
	return rows
}

func sortImages(rows []imageRow, by string) {
	slices.SortStableFunc(rows, func(a, b imageRow) int {
		switch by {
		case "id":
			return cmp.Compare(a.i.ID, b.i.ID)
		case "repository":
			return cmp.Or(cmp.Compare(a.repo, b.repo), cmp.Compare(a.tag, b.tag))
		case "size":
			return cmp.Compare(a.i.Size, b.i.Size)
		case "tag":
			return cmp.Compare(a.tag, b.tag)
		}
		return b.i.Created.Compare(a.i.Created)
	})
}

// imageRow is an image as images prints it. Its methods are the template fields
// of docker and podman.
type imageRow struct {
	i         libpod.Image
	repo, tag string
	now       time.Time
	noTrunc   bool
	docker    bool
}

func (r imageRow) ID() string {
	if r.noTrunc {
		return "sha256:" + r.i.ID
	}
	return format.ShortID(r.i.ID)
}

func (r imageRow) Repository() string {
	if r.docker {
		return inspect.Familiar(r.repo)
	}
	return r.repo
}

func (r imageRow) Size() string {
	if r.docker {
		return format.Size(r.i.Size)
	}
	return format.SpacedSize(r.i.Size)
}

func (r imageRow) CreatedAt() string {
	if r.docker {
		return r.i.Created.Local().Format("2006-01-02 15:04:05 -0700 MST")
	}
	return r.i.Created.UTC().String()
}

func (r imageRow) CreatedSince() string {
	if r.i.Created.IsZero() {
		return "N/A"
	}
	return format.Ago(r.i.Created, r.now)
}

func (r imageRow) Digest() string {
	if r.i.Digest == "" {
		return "<none>"
	}
	return r.i.Digest
}

func (r imageRow) Containers() string {
	if r.i.Containers < 0 {
		return "N/A"
	}
	return strconv.Itoa(r.i.Containers)
}

func (r imageRow) Id() string                   { return r.i.ID }
func (r imageRow) ParentId() string             { return r.i.Parent }
func (r imageRow) Tag() string                  { return r.tag }
func (r imageRow) Created() string              { return r.CreatedSince() }
func (r imageRow) CreatedTime() string          { return r.CreatedAt() }
func (r imageRow) History() string              { return strings.Join(r.i.Podman().NamesHistory, ", ") }
func (r imageRow) Names() []string              { return r.i.Names }
func (r imageRow) RepoTags() []string           { return r.i.Names }
func (r imageRow) RepoDigests() []string        { return r.i.RepoDigests }
func (r imageRow) Labels() map[string]string    { return r.i.Config.Labels }
func (r imageRow) Label(key string) string      { return r.i.Config.Labels[key] }
func (r imageRow) ReadOnly() bool               { return r.i.ReadOnly }
func (r imageRow) IsReadOnly() bool             { return r.i.ReadOnly }
func (r imageRow) Dangling() bool               { return r.i.Dangling() }
func (r imageRow) IsDangling() bool             { return r.i.Dangling() }
func (r imageRow) Arch() string                 { return r.i.Architecture }
func (r imageRow) Os() string                   { return r.i.OS }
func (r imageRow) SharedSize() string           { return "N/A" }
func (r imageRow) UniqueSize() string           { return "N/A" }
func (r imageRow) VirtualSize() string          { return r.Size() }
func (r imageRow) MarshalJSON() ([]byte, error) { return r.marshal() }

func (r imageRow) summary() inspect.ImageSummary {
	s := r.i.Summary()
	if r.repo != "<none>" {
		s.Repository, s.Tag = r.repo, r.tag
	}
	return s
}

// fields are docker's, in its order.
func (r imageRow) fields() []field {
	return []field{
		{"Containers", r.Containers()}, {"CreatedAt", r.CreatedAt()}, {"CreatedSince", r.CreatedSince()},
		{"Digest", r.Digest()}, {"ID", r.ID()}, {"Repository", r.Repository()}, {"SharedSize", r.SharedSize()},
		{"Size", r.Size()}, {"Tag", r.Tag()}, {"UniqueSize", r.UniqueSize()}, {"VirtualSize", r.VirtualSize()},
	}
}

func (r imageRow) marshal() ([]byte, error) {
	if r.docker {
		return object(r.fields()), nil
	}
	return json.Marshal(r.summary())
}
