package cmd

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/rootfs/imagecall"
)

// artifactFlags describe an artifact.
func artifactFlags() []cli.Flag {
	return []cli.Flag{
		text("Content of the artifact's configuration is in this `file`", "artifact-config"),
		text("Media type of the artifact's configuration", "artifact-config-type"),
		toggle("Leave the files' names out", "artifact-exclude-titles"),
		text("Media type of the files", "artifact-layer-type"),
		text("Say that the artifact is about this image", "artifact-subject"),
		text("Type of the artifact", "artifact-type"),
	}
}

func newManifestAdd(app *App) *cli.Command {
	flags := append(append(registryFlags(), instanceFlags()...), artifactFlags()...)
	return &cli.Command{
		Name:      "add",
		Usage:     "Add images or artifacts to a list",
		ArgsUsage: "LIST IMAGE [IMAGE...]",
		Description: `Adds images to a list: of this machine, of registries (docker://IMAGE) or in
archives. The list names them by their digests; what a registry has stays there
until the list is pushed. With --artifact one artifact is made of files, which
have to be there still when the list is pushed. Prints the list's id.

Examples:
skiff manifest add app:1.2 app:1.2-arm64
skiff manifest add --all app:1.2 docker://registry.example.com/team/base:1
skiff manifest add --artifact --artifact-type text/x-notes app:1.2 NOTES.txt`,
		Flags: append(flags, credsFlag(), insecureFlag(),
			toggle("Add all images of what is a list itself", "all"),
			toggle("Add files as one artifact", "artifact"),
		),
		Action: func(c *cli.Context) error { return addToManifest(app, c) },
	}
}

func addToManifest(app *App, c *cli.Context) error {
	if err := atLeast(c, 2); err != nil {
		return err
	}
	x := &imagecall.Index{Do: imagecall.IndexAdd, All: c.Bool("all"), Subject: c.String("artifact-subject")}
	if err := instanceCall(c, x); err != nil {
		return err
	}
	args := c.Args().Slice()
	if c.Bool("artifact") {
		var err error
		if x.Artifact, err = artifactCall(c); err != nil {
			return err
		}
		files, err := absolutePaths(args[1:])
		if err != nil {
			return err
		}
		args = append(args[:1:1], files...)
	} else if err := onlyForArtifacts(c); err != nil {
		return err
	}
	req, err := indexRequest(app, c, x, args...)
	if err != nil {
		return err
	}
	return changeIndex(app, c, req)
}

func onlyForArtifacts(c *cli.Context) error {
	var given []string
	for _, f := range artifactFlags() {
		if name := f.Names()[0]; c.IsSet(name) {
			given = append(given, "--"+name)
		}
	}
	switch len(given) {
	case 0:
		return nil
	case 1:
		return usage(fmt.Errorf("%s requires --artifact", given[0]))
	}
	return usage(fmt.Errorf("%s require --artifact", strings.Join(given, "/")))
}

// mostConfig bounds an artifact's configuration, which is kept inside of manifests.
const mostConfig = 1 << 20

func artifactCall(c *cli.Context) (*imagecall.Artifact, error) {
	a := &imagecall.Artifact{
		ConfigType: c.String("artifact-config-type"), LayerType: c.String("artifact-layer-type"), NoTitles: c.Bool("artifact-exclude-titles"),
	}
	if c.IsSet("artifact-type") {
		t := c.String("artifact-type")
		a.Type = &t
	}
	file := c.String("artifact-config")
	if file == "" {
		return a, nil
	}
	st, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > mostConfig {
		return nil, usage(fmt.Errorf("cannot use --artifact-config %q: it must be a file of at most %d bytes", file, mostConfig))
	}
	a.Config, err = os.ReadFile(file)
	return a, err
}
