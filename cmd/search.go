package cmd

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/rootfs/imagecall"
)

func newSearch(app *App) *cli.Command {
	return &cli.Command{
		Name:      "search",
		Usage:     "Search registries for images",
		ArgsUsage: "TERM",
		Description: `Lists images whose name or description has TERM in it. TERM may begin with a
registry.

Examples:
skiff search --limit 5 httpd
skiff search --list-tags registry.example.com/team/app`,
		Flags: append(append(registryFlags(), formatFlags()...), credsFlag(),
			toggle("Print stars and whether an image is official", "compatible"),
			list("List the images that match, such as stars=10 or is-official", "filter", "f"),
			number("Print this many at most", "limit"),
			toggle("List the tags of the repository", "list-tags"),
		),
		Action: func(c *cli.Context) error { return searchImages(app, c) },
	}
}

func searchImages(app *App, c *cli.Context) error {
	if err := exactly(c, 1); err != nil {
		return err
	}
	if c.Bool("list-tags") && c.IsSet("filter") {
		return usagef("filters are not applicable to list tags result")
	}
	if c.Int("limit") < 0 {
		return usagef("invalid value %d for --limit: want 0 or more", c.Int("limit"))
	}
	req := imagecall.Request{
		Op: imagecall.OpSearch, Term: c.Args().First(), Limit: c.Int("limit"), Filters: c.StringSlice("filter"),
		ListTags: c.Bool("list-tags"), NoTrunc: c.Bool("no-trunc"),
	}
	if err := registryRequest(app, c, &req); err != nil {
		return err
	}
	s := app.streams()
	s.In, s.Out = nil, nil
	res, err := callImages(app, c, req, s)
	if err != nil {
		return err
	}
	want := c.String("format")
	rows := searchRows(res.Search, req.ListTags, app.Docker, c.Bool("no-trunc") || format.IsJSON(want))
	if len(rows) == 0 && !format.IsJSON(want) {
		return nil
	}
	return searchListing(app, c).print(app, want, rows)
}

func searchListing(app *App, c *cli.Context) listing[searchRow] {
	cell := func(head string, f func(searchRow) string) format.Column[searchRow] {
		return format.Column[searchRow]{Head: head, Cell: f}
	}
	l := listing[searchRow]{noHeading: c.Bool("noheading"), fields: searchRow.fields, document: func(r []searchRow) any { return r }}
	name := cell("NAME", func(r searchRow) string { return r.Name })
	if c.Bool("list-tags") {
		l.columns = []format.Column[searchRow]{name, cell("TAG", func(r searchRow) string { return r.Tag })}
		l.document = tagDocument
		return l
	}
	l.columns = []format.Column[searchRow]{name, cell("DESCRIPTION", func(r searchRow) string { return r.Description })}
	if c.Bool("compatible") || app.Docker {
		l.columns = append(l.columns,
			cell("STARS", func(r searchRow) string { return strconv.Itoa(r.Stars) }),
			cell("OFFICIAL", func(r searchRow) string { return r.Official }))
	}
	if c.Bool("compatible") && !app.Docker {
		l.columns = append(l.columns, cell("AUTOMATED", func(r searchRow) string { return r.Automated }))
	}
	return l
}

// searchRow is one result; its fields are those of docker's and podman's
// templates.
type searchRow struct {
	Index       string
	Name        string
	Description string
	Stars       int
	Official    string
	Automated   string
	Tag         string
}

// StarCount and the two below are docker's names.
func (r searchRow) StarCount() int      { return r.Stars }
func (r searchRow) IsOfficial() string  { return r.Official }
func (r searchRow) IsAutomated() string { return r.Automated }

func (r searchRow) fields() []field {
	return []field{
		{"Description", r.Description}, {"IsAutomated", strconv.FormatBool(r.Automated != "")},
		{"IsOfficial", strconv.FormatBool(r.Official != "")}, {"Name", r.Name}, {"StarCount", strconv.Itoa(r.Stars)},
	}
}

func searchRows(found []imagecall.SearchResult, tags, docker, whole bool) []searchRow {
	ok := func(b bool) string {
		if b {
			return "[OK]"
		}
		return ""
	}
	rows := []searchRow{}
	for _, f := range found {
		row := searchRow{
			Index: f.Index, Name: f.Name, Stars: f.Stars, Official: ok(f.Official), Automated: ok(f.Automated), Tag: f.Tag,
			Description: strings.ReplaceAll(f.Description, "\n", " "),
		}
		if !whole {
			mark := "..."
			if docker {
				mark = "…"
			}
			row.Description = format.Ellipsis(row.Description, 45, mark)
		}
		if docker {
			row.Name = strings.TrimPrefix(strings.TrimPrefix(row.Name, "docker.io/"), "library/")
		}
		if !tags || len(f.Tags) == 0 {
			rows = append(rows, row)
			continue
		}
		for _, t := range f.Tags {
			row.Tag = t
			rows = append(rows, row)
		}
	}
	return rows
}

// tagDocument is podman's JSON of --list-tags: the tags of each name.
func tagDocument(rows []searchRow) any {
	type entry struct {
		Name string
		Tags []string
	}
	out := []entry{}
	for _, r := range rows {
		if n := len(out); n == 0 || out[n-1].Name != r.Name {
			out = append(out, entry{Name: r.Name})
		}
		out[len(out)-1].Tags = append(out[len(out)-1].Tags, r.Tag)
	}
	return out
}
