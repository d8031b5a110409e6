package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"skiff/rootfs/imagecall"
)

func newImagetoolsInspect(app *App) *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "Show an image in a registry",
		ArgsUsage: "NAME",
		Description: `Shows what a registry has under a name: an image, or one for several platforms.
Templates see .Name, .Manifest and .Image, the configuration of the image, or
with several platforms that of each by its platform.

Examples:
skiff buildx imagetools inspect docker.io/library/alpine
skiff buildx imagetools inspect --raw docker.io/library/alpine
skiff buildx imagetools inspect --format '{{json .Manifest.Digest}}' docker.io/library/alpine`,
		Flags: append(registryFlags(), credsFlag(), insecureFlag(),
			text("Builder to use; there is only default", "builder"),
			text("Print it by this Go `template`", "format"),
			toggle("Print the manifest as it is", "raw"),
		),
		Action: func(c *cli.Context) error { return inspectImagetools(app, c) },
	}
}

// imageDescriptor names a manifest. OCI image spec: descriptor.md.
type imageDescriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Platform     *imagePlatform    `json:"platform,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

type imagePlatform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}

func (p imagePlatform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// imageIndex is an index with its own descriptor, as buildx shows it.
type imageIndex struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Digest        string            `json:"digest"`
	Size          int64             `json:"size"`
	Manifests     []imageDescriptor `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// imageConfig is an image's configuration. OCI image spec: config.md.
type imageConfig struct {
	Created *time.Time `json:"created,omitempty"`
	Author  string     `json:"author,omitempty"`
	imagePlatform
	Config struct {
		User         string              `json:"User,omitempty"`
		ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
		Env          []string            `json:"Env,omitempty"`
		Entrypoint   []string            `json:"Entrypoint,omitempty"`
		Cmd          []string            `json:"Cmd,omitempty"`
		Volumes      map[string]struct{} `json:"Volumes,omitempty"`
		WorkingDir   string              `json:"WorkingDir,omitempty"`
		Labels       map[string]string   `json:"Labels,omitempty"`
		StopSignal   string              `json:"StopSignal,omitempty"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []struct {
		Created    *time.Time `json:"created,omitempty"`
		CreatedBy  string     `json:"created_by,omitempty"`
		Author     string     `json:"author,omitempty"`
		Comment    string     `json:"comment,omitempty"`
		EmptyLayer bool       `json:"empty_layer,omitempty"`
	} `json:"history,omitempty"`
}

func inspectImagetools(app *App, c *cli.Context) error {
	if err := exactly(c, 1); err != nil {
		return err
	}
	format := c.String("format")
	if format != "" && c.Bool("raw") {
		return usagef("format and raw cannot be used together")
	}
	tmpl, err := imagetoolsTemplate(format)
	if err != nil {
		return usage(err)
	}
	x := &imagecall.Index{Do: imagecall.IndexShow, Verbose: strings.Contains(format, ".Image")}
	req, err := indexRequest(app, c, x, c.Args().First())
	if err != nil {
		return err
	}
	res, err := callIndex(app, c, req)
	if err != nil {
		return err
	}
	var shown imagecall.Shown
	if err := json.Unmarshal(res.Document, &shown); err != nil {
		return fmt.Errorf("cannot show the image: %w", err)
	}
	if c.Bool("raw") { // without a newline, so that its digest is right
		_, err := app.Out.Write(shown.Raw)
		return err
	}
	index := imageIndex{}
	if err := json.Unmarshal(shown.Raw, &index); err != nil {
		return fmt.Errorf("cannot show the image: its manifest is damaged: %w", err)
	}
	index.MediaType, index.Digest, index.Size = shown.MediaType, shown.Digest, shown.Size
	if tmpl == nil || strings.HasPrefix(format, "{{.Manifest}}") {
		return printImagetools(app.Out, shown, index)
	}
	view := map[string]any{"Name": shown.Name, "Manifest": any(index)}
	if index.Manifests == nil {
		view["Manifest"] = imageDescriptor{MediaType: shown.MediaType, Digest: shown.Digest, Size: shown.Size}
	}
	if view["Image"], err = imageConfigs(shown); err != nil {
		return err
	}
	if err := tmpl.Execute(app.Out, view); err != nil {
		return usage(fmt.Errorf("cannot use the template: %w", err))
	}
	fmt.Fprintln(app.Out)
	return nil
}

func imagetoolsTemplate(format string) (*template.Template, error) {
	if format == "" {
		return nil, nil
	}
	return template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.MarshalIndent(v, "", "  ")
			return string(b), err
		},
	}).Parse(format)
}

// imageConfigs is what a template sees as .Image.
func imageConfigs(shown imagecall.Shown) (any, error) {
	all := map[string]*imageConfig{}
	for platform, text := range shown.Configs {
		all[platform] = &imageConfig{}
		if err := json.Unmarshal(text, all[platform]); err != nil {
			return nil, fmt.Errorf("cannot show the image for %s: %w", platform, err)
		}
	}
	if len(all) == 1 {
		for _, one := range all {
			return one, nil
		}
	}
	return all, nil
}

// printImagetools prints what buildx does.
func printImagetools(to io.Writer, shown imagecall.Shown, index imageIndex) error {
	w := tabwriter.NewWriter(plainWriter{to}, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "Name:\t%s\nMediaType:\t%s\nDigest:\t%s\n", shown.Name, shown.MediaType, shown.Digest)
	if index.Manifests == nil {
		return w.Flush()
	}
	fmt.Fprintf(w, "\t\nManifests:\t\n")
	if err := w.Flush(); err != nil {
		return err
	}
	for i, m := range index.Manifests {
		if i > 0 {
			fmt.Fprintf(w, "\t\n")
		}
		fmt.Fprintf(w, "  Name:\t%s@%s\n  MediaType:\t%s\n", shown.Name, m.Digest, m.MediaType)
		if p := m.Platform; p != nil {
			fmt.Fprintf(w, "  Platform:\t%s\n", p)
			if p.OSVersion != "" {
				fmt.Fprintf(w, "  OSVersion:\t%s\n", p.OSVersion)
			}
			if len(p.OSFeatures) > 0 {
				fmt.Fprintf(w, "  OSFeatures:\t%s\n", strings.Join(p.OSFeatures, ", "))
			}
		}
		if len(m.URLs) > 0 {
			fmt.Fprintf(w, "  URLs:\t%s\n", strings.Join(m.URLs, ", "))
		}
		if len(m.Annotations) > 0 {
			fmt.Fprintf(w, "  Annotations:\t\n")
		}
		for _, k := range slices.Sorted(maps.Keys(m.Annotations)) {
			fmt.Fprintf(w, "    %s:\t%s\n", k, m.Annotations[k])
		}
	}
	return w.Flush()
}

// plainWriter leaves out what would change a terminal: the text is a stranger's.
type plainWriter struct{ io.Writer }

func (p plainWriter) Write(text []byte) (int, error) {
	_, err := p.Writer.Write(bytes.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text))
	return len(text), err
}
