package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/rootfs/imagecall"
	"skiff/state"
)

// insecureFlag is another way to say --tls-verify=false. Docker: --insecure.
func insecureFlag() cli.Flag {
	return toggle("Talk to registries without TLS, or without a look at their certificates", "insecure")
}

// annotationFlag sets annotations.
func annotationFlag(of string) cli.Flag {
	return list("Set an annotation `KEY=VALUE` of "+of, "annotation")
}

// instanceFlags say what a list is to say of one of its images.
func instanceFlags() []cli.Flag {
	return []cli.Flag{
		annotationFlag("the image in the list"),
		text("Say that the image is for this architecture", "arch"),
		list("Say that the image needs these `features` of the processor", "features"),
		text("Say that the image is for this operating system", "os"),
		list("Say that the image needs these `features` of the operating system", "os-features"),
		text("Say that the image is for this version of the operating system", "os-version"),
		text("Say that the image is for this variant of the architecture", "variant"),
	}
}

// instanceCall fills in what instanceFlags say.
func instanceCall(c *cli.Context, x *imagecall.Index) error {
	var err error
	x.Annotations, err = annotations(c)
	x.OS, x.Architecture, x.Variant, x.OSVersion = c.String("os"), c.String("arch"), c.String("variant"), c.String("os-version")
	x.Features, x.OSFeatures = commas(c.StringSlice("features")), commas(c.StringSlice("os-features"))
	return err
}

func annotations(c *cli.Context) (map[string]string, error) {
	given := map[string]string{}
	for _, a := range c.StringSlice("annotation") {
		k, v, ok := strings.Cut(a, "=")
		if !ok || k == "" {
			return nil, usage(fmt.Errorf("expected --annotation %q to be in key=value format", a))
		}
		given[k] = v
	}
	return given, nil
}

// commas takes lists with commas apart.
func commas(values []string) []string {
	var all []string
	for _, v := range values {
		for _, part := range strings.Split(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}

// indexRequest makes the request of a command that works on a list.
func indexRequest(app *App, c *cli.Context, x *imagecall.Index, images ...string) (imagecall.Request, error) {
	req := imagecall.Request{Op: imagecall.OpIndex, Index: x, Images: images, Quiet: true}
	if err := registryRequest(app, c, &req); err != nil {
		return req, err
	}
	if c.IsSet("insecure") {
		if req.TLSVerify != nil {
			return req, usagef("--insecure may not be used with --tls-verify")
		}
		v := !c.Bool("insecure")
		req.TLSVerify = &v
	}
	return req, nil
}

// callIndex has something done with a list.
func callIndex(app *App, c *cli.Context, req imagecall.Request) (imagecall.Result, error) {
	s := app.streams()
	s.In, s.Out = nil, nil
	return callImages(app, c, req, s)
}

// changeIndex is callIndex for what prints the list's id, which Docker does not.
func changeIndex(app *App, c *cli.Context, req imagecall.Request) error {
	res, err := callIndex(app, c, req)
	if err == nil && !app.Docker && len(res.Images) > 0 {
		fmt.Fprintln(app.Out, res.Images[0].ID)
	}
	return err
}

func newManifestExists(app *App) *cli.Command {
	return &cli.Command{
		Name:      "exists",
		Usage:     "Tell whether a list of images is here",
		ArgsUsage: "LIST",
		Description: `Ends with status 0 if the list is here and 1 if it is not, and prints nothing.

Example:
skiff manifest exists app:1.2 || skiff manifest create app:1.2`,
		Action: func(c *cli.Context) error {
			return exists(app, c, func(e *libpod.Engine, ref string) error {
				img, full, err := e.Images.Lookup(ref)
				if err == nil && img.Index == nil {
					return fmt.Errorf("%s: image is not a manifest list", full)
				}
				return err
			})
		},
	}
}

func newManifestRm(app *App) *cli.Command {
	return &cli.Command{
		Name:      "rm",
		Usage:     "Remove lists of images",
		ArgsUsage: "LIST [LIST...]",
		Description: `Takes names away from lists, and removes a list with its last name. The images
that it names stay.

Example:
skiff manifest rm app:1.2`,
		Flags: []cli.Flag{toggle("Do not complain about lists that do not exist", "ignore", "i")},
		Action: func(c *cli.Context) error {
			if err := atLeast(c, 1); err != nil {
				return err
			}
			req := imagecall.Request{
				Op: imagecall.OpIndex, Index: &imagecall.Index{Do: imagecall.IndexRemove}, Images: c.Args().Slice(), Ignore: c.Bool("ignore"),
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			res, err := e.ImageCall(c.Context, req, libpod.Streams{})
			if err != nil {
				return err
			}
			if !app.Docker {
				printRemoved(app, res.Removed)
			}
			return rmiStatus(libpod.ToolErrors(res))
		},
	}
}

func newManifestRemove(app *App) *cli.Command {
	return &cli.Command{
		Name:      "remove",
		Usage:     "Take an image out of a list",
		ArgsUsage: "LIST DIGEST",
		Description: `Takes the image with this digest out of a list. The image stays.

Example:
skiff manifest remove app:1.2 sha256:15352d97781ffdf357bf3459c037be3efac4133dc9070c2dce7eca7c05c3e736`,
		Action: func(c *cli.Context) error {
			if err := exactly(c, 2); err != nil {
				return err
			}
			return changeIndex(app, c, imagecall.Request{
				Op: imagecall.OpIndex, Index: &imagecall.Index{Do: imagecall.IndexDrop}, Images: c.Args().Slice(), Quiet: true,
			})
		},
	}
}

func newManifestCreate(app *App) *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "Make a list of images for several platforms",
		ArgsUsage: "LIST [IMAGE...]",
		Description: `Makes a list (an OCI index, Docker's manifest list) and adds images to it: of
this machine, of registries, or in archives. A name without a registry is
looked for here first, any other at its registry first. Prints the list's id.

Examples:
skiff manifest create app:1.2
skiff manifest create app:1.2 app:1.2-amd64 app:1.2-arm64
skiff manifest create --all mirror:1 docker://registry.example.com/team/app:1`,
		Flags: []cli.Flag{
			toggle("Add all images of what is a list itself, not only the one for this machine", "all"),
			toggle("Change the list of this name if there is one", "amend", "a"),
			annotationFlag("the list"), insecureFlag(),
			&cli.BoolFlag{Name: "tls-verify", Value: true, Usage: "Require HTTPS and check certificates"},
		},
		Action: func(c *cli.Context) error { return createManifest(app, c) },
	}
}

func createManifest(app *App, c *cli.Context) error {
	if err := atLeast(c, 1); err != nil {
		return err
	}
	x := &imagecall.Index{Do: imagecall.IndexCreate, All: c.Bool("all"), Amend: c.Bool("amend")}
	var err error
	if x.Annotations, err = annotations(c); err != nil {
		return err
	}
	req, err := indexRequest(app, c, x, c.Args().Slice()...)
	if err != nil {
		return err
	}
	res, err := callIndex(app, c, req)
	if err != nil || len(res.Images) == 0 {
		return err
	}
	if !app.Docker {
		fmt.Fprintln(app.Out, res.Images[0].ID)
		return nil
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	_, full, err := e.Images.Lookup(c.Args().First())
	if err == nil {
		fmt.Fprintf(app.Out, "Created manifest list %s\n", full)
	}
	return err
}

func newManifestAnnotate(app *App) *cli.Command {
	return &cli.Command{
		Name:      "annotate",
		Usage:     "Change what a list says of one of its images",
		ArgsUsage: "LIST IMAGE",
		Description: `Changes what a list says of the image with this digest or name, or of the
artifact of this file. With --index it is the list itself. Prints the list's id.

Examples:
skiff manifest annotate --arch arm --variant v6 app:1.2 app:1.2-pi
skiff manifest annotate --index --annotation org.opencontainers.image.version=1.2 app:1.2`,
		Flags: append(instanceFlags(),
			toggle("Set the annotations of the list itself", "index"),
			text("Say that the list is about this image (with --index)", "subject"),
		),
		Action: func(c *cli.Context) error { return annotateManifest(app, c) },
	}
}

func annotateManifest(app *App, c *cli.Context) error {
	args, whole := c.Args().Slice(), c.Bool("index")
	switch {
	case len(args) < 1 || len(args) > 2:
		return usagef("expected either a list name and --index or a list name and an image digest or image name or artifact name")
	case !whole && len(args) == 1:
		return usage(errors.New("expected an instance digest, image name, or artifact name"))
	case whole && len(args) == 2:
		return usage(fmt.Errorf("did not expect image or artifact name %q when modifying the entire index", args[1]))
	}
	x := &imagecall.Index{Do: imagecall.IndexAnnotate, Whole: whole, Subject: c.String("subject")}
	if err := instanceCall(c, x); err != nil {
		return err
	}
	for _, name := range []string{"arch", "features", "os", "os-features", "os-version", "variant"} {
		if whole && c.IsSet(name) {
			return usage(fmt.Errorf("setting --%s on an item in a manifest list requires an instance digest", name))
		}
	}
	if !whole && x.Subject != "" {
		return usage(errors.New("setting subject for a manifest list requires no instance digest"))
	}
	req, err := indexRequest(app, c, x, args...)
	if err != nil {
		return err
	}
	return changeIndex(app, c, req)
}

func newManifestInspect(app *App) *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "Show a list of images",
		ArgsUsage: "LIST",
		Description: `Prints a list that is here, or else that of a registry, or an image's manifest.

Examples:
skiff manifest inspect app:1.2
skiff manifest inspect docker.io/library/alpine:latest`,
		Flags: []cli.Flag{
			text("File with the registries' credentials", "authfile"), insecureFlag(),
			&cli.BoolFlag{Name: "tls-verify", Value: true, Usage: "Require HTTPS and check certificates"},
			toggle("As docker: print the manifests of the images, too", "verbose", "v"),
		},
		Action: func(c *cli.Context) error { return inspectManifest(app, c) },
	}
}

func inspectManifest(app *App, c *cli.Context) error {
	names := c.Args().Slice()
	if app.Docker && len(names) == 2 {
		names = names[1:] // of a list in the first place, which is here as well
	}
	if len(names) != 1 {
		return exactly(c, 1)
	}
	x := &imagecall.Index{Do: imagecall.IndexInspect, Raw: app.Docker, Verbose: app.Docker && c.Bool("verbose")}
	req, err := indexRequest(app, c, x, names[0])
	if err != nil {
		return err
	}
	res, err := callIndex(app, c, req)
	if err != nil {
		if app.Docker && errors.Is(err, state.ErrNotFound) {
			return fmt.Errorf("no such manifest: %s", names[0])
		}
		return err
	}
	indent := "    "
	if app.Docker {
		indent = "\t"
	}
	if kind := singleImage(res.Document); kind != "" && !app.Docker {
		app.Log.Warn(fmt.Sprintf("The manifest type %s is not a manifest list but a single image.", kind))
	}
	return printDocument(app, res.Document, indent)
}

// singleImage gives the media type of a document that is no list.
func singleImage(doc []byte) string {
	var m struct {
		MediaType string          `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
	}
	if json.Unmarshal(doc, &m) != nil || m.Manifests != nil {
		return ""
	}
	return m.MediaType
}

func printDocument(app *App, doc []byte, indent string) error {
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(doc), "", indent); err != nil {
		return fmt.Errorf("cannot show the manifest: %w", err)
	}
	out.WriteByte('\n')
	_, err := app.Out.Write(out.Bytes())
	return err
}

// absolutePaths makes paths absolute, for a program that works elsewhere.
func absolutePaths(paths []string) ([]string, error) {
	out := make([]string, len(paths))
	for i, p := range paths {
		var err error
		if out[i], err = filepath.Abs(p); err != nil {
			return nil, err
		}
	}
	return out, nil
}
