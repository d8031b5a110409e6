package cmd

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
)

func newVersion(app *App) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "Show which skiff this is",
		Description: `Prints the version of skiff and what it was built with.

Example:
skiff version --format "{{.Client.Version}}"`,
		Flags:  []cli.Flag{text("Print in this `format`: json or a Go template", "format", "f")},
		Action: func(c *cli.Context) error { return showVersion(app, c) },
	}
}

// versions is the document of version. There is no daemon: the client is all
// there is, and its server, for templates that ask for one, is the same program.
type versions struct {
	Client clientVersion
	Server *serverVersion `json:",omitempty"`
}

// serverVersion is what Docker says of its daemon.
type serverVersion struct {
	clientVersion
	KernelVersion string `json:",omitempty"`
	Experimental  bool   `json:",omitempty"`
}

// clientVersion has podman's fields, and docker's names of the same facts.
type clientVersion struct {
	APIVersion string
	Version    string
	GoVersion  string
	GitCommit  string
	BuiltTime  string
	Built      int64
	OsArch     string
	Os         string
	ApiVersion string `json:",omitempty"`
	Arch       string `json:",omitempty"`
	BuildTime  string `json:",omitempty"`
}

func newClientVersion(docker bool) clientVersion {
	v := libpod.VersionInfo(Version)
	c := clientVersion{
		APIVersion: v.APIVersion, Version: v.Version, GoVersion: v.GoVersion, GitCommit: v.GitCommit,
		BuiltTime: v.BuiltTime, Built: v.Built, OsArch: v.OsArch, Os: v.Os,
	}
	if docker {
		c.ApiVersion, c.Arch, c.BuildTime = v.APIVersion, runtime.GOARCH, v.BuiltTime
	}
	return c
}

func showVersion(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	v := newClientVersion(app.Docker)
	doc := versions{Client: v}
	if app.Docker {
		doc.Server = &serverVersion{clientVersion: v, KernelVersion: libpod.KernelVersion()}
	}
	want := c.String("format")
	switch {
	case format.IsJSON(want):
		return format.JSON(app.Out, doc, "")
	case want != "":
		return versionTemplate(app, want, doc)
	}
	return versionText(app, v)
}

// versionTemplate prints by a template, which may name a field of the document,
// of a server, or the client's without saying so.
func versionTemplate(app *App, want string, doc versions) error {
	t, err := documentTemplate(app, want)
	if err != nil {
		return err
	}
	if doc.Server == nil {
		doc.Server = &serverVersion{clientVersion: doc.Client}
	}
	err = t.Document(app.Out, doc)
	if err != nil && t.Document(app.Out, doc.Client) == nil {
		return nil
	}
	return err
}

func versionText(app *App, v clientVersion) error {
	lines := [][2]string{{"Client:", "skiff"}, {"Version:", v.Version}, {"API Version:", v.APIVersion}, {"Go Version:", v.GoVersion}}
	if v.GitCommit != "" {
		lines = append(lines, [2]string{"Git Commit:", v.GitCommit})
	}
	if v.BuiltTime != "" {
		lines = append(lines, [2]string{"Built:", v.BuiltTime})
	}
	lines = append(lines, [2]string{"OS/Arch:", v.OsArch})
	indent, width := "", 14
	if app.Docker {
		fmt.Fprintln(app.Out, "Client: skiff")
		lines, indent, width = lines[1:], " ", 18
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(app.Out, "%s%-*s%s\n", indent, width, l[0], l[1]); err != nil {
			return err
		}
	}
	if app.Docker { // the server is the same program
		_, err := fmt.Fprintf(app.Out, "\nServer: skiff\n Engine:\n  %-17s%s\n", "Version:", v.Version)
		return err
	}
	return nil
}
