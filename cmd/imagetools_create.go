package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/state"
)

func newImagetoolsCreate(app *App) *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "Make an image of images in registries",
		ArgsUsage: "[SOURCE...]",
		Description: `Makes one image for several platforms of images that are in registries, and gives
it names there, without bringing anything here. A source is the name of an image,
a digest in the same repository, or a descriptor as JSON. One source that is such
an image already only gets further names.

Examples:
skiff buildx imagetools create -t registry.example.com/app:1 registry.example.com/app:1-amd64 registry.example.com/app:1-arm64
skiff buildx imagetools create -t registry.example.com/app:latest registry.example.com/app:1
skiff buildx imagetools create --append -t registry.example.com/app:1 registry.example.com/app:1-riscv64`,
		Flags: append(registryFlags(), credsFlag(), insecureFlag(),
			list("Set an annotation [index:|manifest-descriptor[[PLATFORM]]:]`KEY=VALUE`", "annotation"),
			toggle("Add the sources to the image that has the first name", "append"),
			text("Builder to use; there is only default", "builder"),
			toggle("Print what would be made, and make nothing", "dry-run"),
			list("Read a source from this file", "file", "f"),
			list("Take only the images for these platforms", "platform", "p"),
			&cli.BoolFlag{Name: "prefer-index", Value: true, Usage: "Make a single image one for several platforms, too"},
			text("Accepted for docker's sake: nothing is shown", "progress"),
			list("Give the image this name in its registry", "tag", "t"),
		),
		Action: func(c *cli.Context) error { return createImagetools(app, c) },
	}
}

func createImagetools(app *App, c *cli.Context) error {
	x := &imagecall.Index{Do: imagecall.IndexCompose, DryRun: c.Bool("dry-run"), Bare: !c.Bool("prefer-index")}
	for _, t := range c.StringSlice("tag") {
		full, err := layer.Normalize(t)
		if err != nil {
			return usage(err)
		}
		x.Tags = append(x.Tags, full)
	}
	for _, p := range commas(c.StringSlice("platform")) {
		parsed, err := layer.ParsePlatform(p)
		if err != nil {
			return usage(err)
		}
		x.Platforms = append(x.Platforms, parsed.String())
	}
	sources, err := imagetoolsSources(c, x)
	if err != nil {
		return usage(err)
	}
	if err := imagetoolsAnnotations(c.StringSlice("annotation"), x); err != nil {
		return usage(err)
	}
	req, err := indexRequest(app, c, x, sources...)
	if err != nil {
		return err
	}
	res, err := callIndex(app, c, req)
	if err != nil {
		return err
	}
	if x.DryRun {
		return printDocument(app, res.Document, "  ")
	}
	for _, img := range res.Images {
		fmt.Fprintf(app.Err, "pushed %s@%s\n", img.Name, img.Digest)
	}
	return nil
}

// imagetoolsSources are the sources as names of images in registries.
func imagetoolsSources(c *cli.Context, x *imagecall.Index) ([]string, error) {
	var given []string
	if c.Bool("append") && len(x.Tags) > 0 {
		given = append(given, x.Tags[0])
	}
	for _, name := range c.StringSlice("file") {
		text, err := readSource(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the source: %w", err)
		}
		given = append(given, text)
	}
	given = append(given, c.Args().Slice()...)
	switch {
	case len(given) == 0:
		return nil, errors.New("no sources specified")
	case len(x.Tags) == 0 && !x.DryRun:
		return nil, errors.New("can't push with no tags specified, please set --tag or --dry-run")
	}
	repository, err := repositoryOf(append(append([]string{}, x.Tags...), given...))
	if err != nil {
		return nil, err
	}
	out := make([]string, len(given))
	for i, s := range given {
		if out[i], err = imagetoolsSource(s, repository, x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mostSource bounds the file of a source in bytes.
const mostSource = 1 << 20

func readSource(name string) (string, error) {
	st, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	if st.Size() > mostSource {
		return "", fmt.Errorf("%s is larger than %d bytes", name, mostSource)
	}
	data, err := os.ReadFile(name)
	return strings.TrimSpace(string(data)), err
}

// repositoryOf is where digests are looked for: the repository of the names, if it is
// one; else empty.
func repositoryOf(names []string) (string, error) {
	found := ""
	for _, n := range names {
		if isDigest(n) || strings.HasPrefix(n, "{") {
			continue
		}
		full, err := layer.Normalize(n)
		if err != nil {
			return "", err
		}
		r, err := layer.ParseReference(full)
		if err != nil {
			return "", err
		}
		if found != "" && found != r.Repository() {
			return "", nil
		}
		found = r.Repository()
	}
	return found, nil
}

func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && state.IsID(hex)
}

// descriptor is what is read of one. OCI image spec: descriptor.md.
type descriptor struct {
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
	Platform    struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
	} `json:"platform"`
}

// imagetoolsSource is a source as a name with its transport.
func imagetoolsSource(s, repository string, x *imagecall.Index) (string, error) {
	var d descriptor
	switch {
	case isDigest(s):
		d.Digest = s
	case strings.HasPrefix(s, "{"):
		if err := json.Unmarshal([]byte(s), &d); err != nil || !isDigest(d.Digest) {
			return "", fmt.Errorf("invalid source %q: want a descriptor with a digest", s)
		}
	default:
		full, err := layer.Normalize(s)
		return "docker://" + full, err
	}
	if repository == "" {
		return "", fmt.Errorf("cannot tell in which repository %s is: give names of one repository only", d.Digest)
	}
	name := "docker://" + repository + "@" + d.Digest
	if p := d.Platform; p.OS != "" || p.Architecture != "" || len(d.Annotations) > 0 {
		if x.Described == nil {
			x.Described = map[string]imagecall.Described{}
		}
		x.Described[name] = imagecall.Described{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, Annotations: d.Annotations}
	}
	return name, nil
}

// imagetoolsAnnotations reads --annotation: of the index, or of what it says of its
// images, or of the one for a platform.
func imagetoolsAnnotations(given []string, x *imagecall.Index) error {
	for _, a := range given {
		of, rest := "", a
		if before, after, ok := strings.Cut(a, ":"); ok && !strings.Contains(before, "=") && !strings.Contains(before, ".") {
			of, rest = before, after
		}
		key, value, ok := strings.Cut(rest, "=")
		if !ok || key == "" {
			return fmt.Errorf("invalid annotation %q: want [TYPE:]KEY=VALUE", a)
		}
		kind, platform, limited := strings.Cut(strings.TrimSuffix(of, "]"), "[")
		if limited {
			p, err := layer.ParsePlatform(platform)
			if err != nil {
				return err
			}
			platform = p.String()
		}
		switch {
		case (kind == "index" || kind == "") && !limited:
			if x.Annotations == nil {
				x.Annotations = map[string]string{}
			}
			x.Annotations[key] = value
		case kind == "manifest-descriptor":
			if x.MemberAnnotations == nil {
				x.MemberAnnotations = map[string]map[string]string{}
			}
			if x.MemberAnnotations[platform] == nil {
				x.MemberAnnotations[platform] = map[string]string{}
			}
			x.MemberAnnotations[platform][key] = value
		default:
			return fmt.Errorf("invalid annotation %q: its type is index, manifest-descriptor or manifest-descriptor[PLATFORM]", a)
		}
	}
	return nil
}
