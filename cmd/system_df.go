package cmd

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/libpod/inspect"
	"skiff/rootfs/build/cache"
)

func newSystemDf(app *App) *cli.Command {
	return &cli.Command{
		Name:  "system df",
		Usage: "Show what images, containers and volumes take on disk",
		Description: `Prints how much room images, containers and volumes take, and how much of it
nothing uses at the moment.

Examples:
skiff system df
skiff system df -v`,
		Flags: []cli.Flag{
			text("Print in this `format`: json, a Go template, or \"table\" and a Go template", "format"),
			toggle("Print each image, container and volume", "verbose", "v"),
		},
		Action: func(c *cli.Context) error { return showUsage(app, c) },
	}
}

// dfRow is a row of the summary; its methods are the template fields of docker
// and podman.
type dfRow struct {
	sum    libpod.Total
	docker bool
}

func (r dfRow) Type() string          { return r.sum.Type }
func (r dfRow) Total() int            { return r.sum.Count }
func (r dfRow) TotalCount() int       { return r.sum.Count }
func (r dfRow) Active() int           { return r.sum.Active }
func (r dfRow) RawSize() int64        { return r.sum.Size }
func (r dfRow) RawReclaimable() int64 { return r.sum.Reclaimable }
func (r dfRow) Size() string          { return format.Size(r.sum.Size) }

// Reclaimable is what nothing uses, and its part of the whole.
func (r dfRow) Reclaimable() string {
	percent := 0
	if r.sum.Size > 0 {
		percent = int(math.Round(100 * float64(r.sum.Reclaimable) / float64(r.sum.Size)))
	} else if r.docker {
		return format.Size(r.sum.Reclaimable)
	}
	return fmt.Sprintf("%s (%d%%)", format.Size(r.sum.Reclaimable), percent)
}

// dfDocument is a row of podman's JSON.
type dfDocument struct {
	Type           string
	Total          int
	Active         int
	RawSize        int64
	RawReclaimable int64
	TotalCount     int
	Size           string
	Reclaimable    string
}

func (r dfRow) document() dfDocument {
	return dfDocument{r.Type(), r.Total(), r.Active(), r.RawSize(), r.RawReclaimable(), r.Total(), r.Size(), r.Reclaimable()}
}

// fields are docker's, in its order.
func (r dfRow) fields() []field {
	return []field{
		{"Active", strconv.Itoa(r.Active())}, {"Reclaimable", r.Reclaimable()}, {"Size", r.Size()},
		{"TotalCount", strconv.Itoa(r.Total())}, {"Type", r.Type()},
	}
}

// MarshalJSON is what the template function json makes of a row.
func (r dfRow) MarshalJSON() ([]byte, error) {
	if r.docker {
		return object(r.fields()), nil
	}
	return json.Marshal(r.document())
}

func showUsage(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	want := c.String("format")
	if c.Bool("verbose") && want != "" && !app.Docker {
		return usagef("cannot combine --format and --verbose flags")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	u, err := e.DiskUsage()
	if err != nil {
		return err
	}
	if app.Docker { // the newest first, as ps
		slices.SortStableFunc(u.Containers, func(a, b inspect.Container) int { return b.Config.Created.Compare(a.Config.Created) })
	}
	if c.Bool("verbose") {
		return dfVerbose(app, u, want)
	}
	totals := u.Totals()
	if len(u.Build) == 0 && !app.Docker { // podman has no such row
		totals = totals[:len(totals)-1]
	}
	rows := make([]dfRow, len(totals))
	for i, t := range totals {
		rows[i] = dfRow{t, app.Docker}
	}
	if want != "json" && format.IsJSON(want) {
		return format.JSONLines(app.Out, rows)
	}
	return dfListing().print(app, want, rows)
}

func dfListing() listing[dfRow] {
	return listing[dfRow]{
		heads: map[string]string{"TotalCount": "TOTAL", "RawSize": "RAWSIZE", "RawReclaimable": "RAWRECLAIMABLE"},
		columns: []format.Column[dfRow]{
			{Head: "TYPE", Cell: dfRow.Type}, {Head: "TOTAL", Cell: func(r dfRow) string { return strconv.Itoa(r.Total()) }},
			{Head: "ACTIVE", Cell: func(r dfRow) string { return strconv.Itoa(r.Active()) }},
			{Head: "SIZE", Cell: dfRow.Size}, {Head: "RECLAIMABLE", Cell: dfRow.Reclaimable},
		},
		fields: dfRow.fields,
		document: func(rows []dfRow) any {
			docs := make([]dfDocument, len(rows))
			for i, r := range rows {
				docs[i] = r.document()
			}
			return docs
		},
	}
}

// dfImage, dfContainer and dfVolume are rows of the details.
type (
	dfImage struct {
		name string
		u    libpod.ImageUsage
	}
	dfContainer struct {
		psRow
	}
	dfVolume struct{ u libpod.VolumeUsage }
)

// dfVerbose prints a table for each kind of thing.
func dfVerbose(app *App, u libpod.DiskUsage, want string) error {
	if want != "" {
		return dfVerboseFormat(app, u, want)
	}
	now := time.Now()
	age := func(t time.Time) string {
		if app.Docker {
			return format.Ago(t, now)
		}
		return format.Duration(now.Sub(t))
	}
	var images []dfImage
	for _, i := range u.Images {
		for _, n := range orNone(i.Names) {
			images = append(images, dfImage{n, i})
		}
	}
	fmt.Fprint(app.Out, "Images space usage:\n\n")
	if err := format.Table(app.Out, app.style(), dfImageColumns(app, age), images, true); err != nil {
		return err
	}
	fmt.Fprint(app.Out, "\nContainers space usage:\n\n")
	containers := make([]dfContainer, len(u.Containers))
	for i := range u.Containers {
		containers[i] = dfContainer{psRow{c: &u.Containers[i], now: now, docker: app.Docker}}
	}
	if err := format.Table(app.Out, app.style(), dfContainerColumns(app, age), containers, true); err != nil {
		return err
	}
	fmt.Fprint(app.Out, "\nLocal Volumes space usage:\n\n")
	volumes := make([]dfVolume, len(u.Volumes))
	for i := range u.Volumes {
		volumes[i] = dfVolume{u.Volumes[i]}
	}
	err := format.Table(app.Out, app.style(), []format.Column[dfVolume]{
		{Head: "VOLUME NAME", Cell: func(v dfVolume) string { return v.u.Name }},
		{Head: "LINKS", Cell: func(v dfVolume) string { return strconv.Itoa(v.u.Users) }},
		{Head: "SIZE", Cell: func(v dfVolume) string { return format.Size(v.u.Size) }},
	}, volumes, true)
	if err != nil || len(u.Build) == 0 && !app.Docker {
		return err
	}
	return dfBuild(app, u, age)
}

// dfBuild prints what builds keep.
func dfBuild(app *App, u libpod.DiskUsage, age func(time.Time) string) error {
	totals := u.Totals()
	fmt.Fprintf(app.Out, "\nBuild cache usage: %s\n\n", format.Size(totals[len(totals)-1].Size))
	if len(u.Build) == 0 {
		return nil
	}
	return format.Table(app.Out, app.style(), []format.Column[cache.Entry]{
		{Head: "CACHE ID", Cell: func(b cache.Entry) string { return format.ShortID(b.ID) }},
		{Head: "CACHE TYPE", Cell: func(b cache.Entry) string { return string(b.Kind) }},
		{Head: "SIZE", Cell: func(b cache.Entry) string { return format.Size(b.Size) }},
		{Head: "CREATED", Cell: func(b cache.Entry) string { return age(b.Created) }},
		{Head: "LAST USED", Cell: func(b cache.Entry) string { return age(b.Used) }},
		{Head: "SHARED", Cell: func(b cache.Entry) string { return strconv.FormatBool(b.Shared > 0) }},
	}, u.Build, true)
}

// orNone gives an image without a name one row, too.
func orNone(names []string) []string {
	if len(names) == 0 {
		return []string{""}
	}
	return names
}

func dfImageColumns(app *App, age func(time.Time) string) []format.Column[dfImage] {
	part := func(name string) (repo, tag string) {
		if app.Docker {
			name = inspect.Familiar(name)
		}
		return libpod.Repository(name)
	}
	return []format.Column[dfImage]{
		{Head: "REPOSITORY", Cell: func(i dfImage) string { repo, _ := part(i.name); return repo }},
		{Head: "TAG", Cell: func(i dfImage) string { _, tag := part(i.name); return tag }},
		{Head: "IMAGE ID", Cell: func(i dfImage) string { return format.ShortID(i.u.ID) }},
		{Head: "CREATED", Cell: func(i dfImage) string { return age(i.u.Created) }},
		{Head: "SIZE", Cell: func(i dfImage) string { return format.Size(i.u.Shared + i.u.Unique) }},
		{Head: "SHARED SIZE", Cell: func(i dfImage) string { return format.Size(i.u.Shared) }},
		{Head: "UNIQUE SIZE", Cell: func(i dfImage) string { return format.Size(i.u.Unique) }},
		{Head: "CONTAINERS", Cell: func(i dfImage) string { return strconv.Itoa(i.u.Containers) }},
	}
}

func dfContainerColumns(app *App, age func(time.Time) string) []format.Column[dfContainer] {
	return []format.Column[dfContainer]{
		{Head: "CONTAINER ID", Cell: func(r dfContainer) string { return r.ID() }},
		{Head: "IMAGE", Cell: func(r dfContainer) string {
			if app.Docker {
				return r.Image()
			}
			return r.ImageID()
		}},
		{Head: "COMMAND", Cell: func(r dfContainer) string { return r.Command() }},
		{Head: "LOCAL VOLUMES", Cell: func(r dfContainer) string { return r.LocalVolumes() }},
		{Head: "SIZE", Cell: func(r dfContainer) string { return format.Size(*r.c.SizeRw) }},
		{Head: "CREATED", Cell: func(r dfContainer) string { return age(r.c.Config.Created) }},
		{Head: "STATUS", Cell: func(r dfContainer) string {
			if app.Docker {
				return r.Status()
			}
			return r.State()
		}},
		{Head: "NAMES", Cell: func(r dfContainer) string { return r.Names() }},
	}
}

// dfVerboseFormat prints the details as one document, as docker does: as JSON or
// by a template.
func dfVerboseFormat(app *App, u libpod.DiskUsage, want string) error {
	type image struct{ ID, Repository, Tag, Size, SharedSize, UniqueSize, Containers string }
	type volume struct{ Name, Links, Size string }
	type build struct {
		ID, CacheType, Description, Size, CreatedAt, LastUsedAt string
		InUse, Shared                                           bool
	}
	doc := struct {
		Images     []image
		Containers []psRow
		Volumes    []volume
		BuildCache []build
	}{Images: []image{}, Containers: []psRow{}, Volumes: []volume{}, BuildCache: []build{}}
	for _, i := range u.Images {
		for _, name := range orNone(i.Names) {
			repo, tag := libpod.Repository(inspect.Familiar(name))
			doc.Images = append(doc.Images, image{
				format.ShortID(i.ID), repo, tag, format.Size(i.Shared + i.Unique), format.Size(i.Shared), format.Size(i.Unique), strconv.Itoa(i.Containers),
			})
		}
	}
	for i := range u.Containers {
		doc.Containers = append(doc.Containers, psRow{c: &u.Containers[i], now: time.Now(), docker: true})
	}
	for _, v := range u.Volumes {
		doc.Volumes = append(doc.Volumes, volume{v.Name, strconv.Itoa(v.Users), format.Size(v.Size)})
	}
	for _, b := range u.Build {
		doc.BuildCache = append(doc.BuildCache, build{
			b.ID, string(b.Kind), b.Title, format.Size(b.Size), b.Created.Format(time.RFC3339Nano), b.Used.UTC().Format(time.RFC3339Nano), b.InUse, b.Shared > 0,
		})
	}
	if format.IsJSON(want) {
		return format.JSON(app.Out, doc, "")
	}
	// Here Docker adds no line's end to one that the template wrote.
	t, err := format.ParseTemplate(want, format.Podman)
	if err != nil {
		return err
	}
	return t.Document(app.Out, doc)
}
