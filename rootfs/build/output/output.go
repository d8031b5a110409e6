// Package output hands the result of a build over to where it was asked for: as
// files, as an archive of files or of an image, or at a registry.
//
// Not here: making images (rootfs/store), and reading options (cmd/parse).
package output

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/term"

	"skiff/rootfs/archive"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
)

// Types of imagecall.Place.
const (
	Local    = "local"
	Tar      = "tar"
	OCI      = "oci"
	Docker   = "docker"
	Image    = "image"
	Registry = "registry"
)

// Result is what a build has made.
type Result struct {
	// Images are one for each platform.
	Images []Made
	// Index is the id of the index of several images in the store.
	Index string
	// Names are those of --tag, in full.
	Names       []string
	Epoch       *time.Time
	Annotations map[string]string // of the index
	// PushIndex sends the index in the store to a registry.
	PushIndex func(ctx context.Context, s *registry.Session, id, dest string) (*imagecall.Image, error)
}

// Made is what was made for one platform.
type Made struct {
	// ID is the image's in the store, for the types that NeedsImage.
	ID       string
	Platform imgspec.Platform
	// Root gives the directory of the final root file system, for the others; done
	// ends its use.
	Root func(ctx context.Context) (dir string, done func() error, err error)
}

// NeedsImage reports whether an output is made of images of the store.
func NeedsImage(p imagecall.Place) bool { return p.Type != Local && p.Type != Tar }

// InStore reports whether an output leaves its image in the store, with its names.
func InStore(p imagecall.Place) bool {
	switch p.Type {
	case Image, Registry:
		keep, err := flag(p, "store", true)
		return keep && err == nil
	case Docker:
		return p.Attrs["dest"] == ""
	}
	return false
}

// Words that have functions of their own.
const (
	epochWord    = "source-date-epoch"
	byDigestWord = "push-by-digest"
	ociWord      = "oci-mediatypes"
)

// words are the attributes of each type. Those that say how layers are made count
// before: see Epoch and docs/man/skiff-build.1.md.
func words(kind string) []string {
	image := []string{
		"name", "compression", "compression-level", "force-compression", ociWord, "rewrite-timestamp", epochWord,
		"oci-artifact", "attestation-inline", "prefer-nondist-layers",
	}
	switch kind {
	case Local:
		return []string{"dest", "platform-split", epochWord}
	case Tar:
		return []string{"dest", epochWord}
	case OCI, Docker:
		return append(image, "dest", "tar")
	case Image, Registry:
		return append(image, "push", byDigestWord, "registry.insecure", "store", "unpack", "dangling-name-prefix", "danging-name-empty-only", "name-canonical")
	}
	return nil
}

// Check looks at all outputs before anything is built.
func Check(places []imagecall.Place, platforms int) error {
	stdout := 0
	for _, p := range places {
		if err := check(p, platforms); err != nil {
			return fmt.Errorf("invalid output of type %s: %w", p.Type, err)
		}
		if d := p.Attrs["dest"]; d == "-" || d == "" && (p.Type == Tar || p.Type == OCI) {
			stdout++
		}
	}
	if stdout > 1 {
		return errors.New("cannot write several outputs to standard output: give dest=FILE")
	}
	if stdout == 1 && term.IsTerminal(1) {
		return errors.New("refusing to write to terminal: use dest=FILE or a redirection")
	}
	return nil
}

func check(p imagecall.Place, platforms int) error {
	known := words(p.Type)
	if known == nil {
		return errors.New("use local, tar, oci, docker, image or registry")
	}
	for name, value := range p.Attrs {
		if strings.HasPrefix(name, "annotation") {
			if where, key, _ := strings.Cut(name, "."); key == "" || !slices.Contains([]string{"annotation", "annotation-manifest", "annotation-index"}, where) {
				return fmt.Errorf("unknown word %q: use annotation.KEY, annotation-manifest.KEY or annotation-index.KEY", name)
			}
			continue
		}
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown word %q: use %s", name, strings.Join(known, ", "))
		}
		if isFlag(name) {
			if _, err := flag(p, name, false); err != nil {
				return err
			}
		}
		if value == "" && name != "name" && name != "dest" {
			return fmt.Errorf("%s has no value", name)
		}
	}
	if err := checkLayers(p); err != nil {
		return err
	}
	if _, err := Epoch(p); err != nil {
		return err
	}
	if err := checkNames(p); err != nil {
		return err
	}
	asDirectory := p.Attrs["tar"] == "false"
	if asDirectory && (p.Attrs["dest"] == "" || p.Attrs["dest"] == "-") {
		return errors.New("tar=false needs dest=DIRECTORY")
	}
	if p.Type == Docker && p.Attrs["dest"] != "" && platforms > 1 && !asDirectory {
		return fmt.Errorf("an archive of type docker holds one image, not one for each of %d platforms: use type=oci", platforms)
	}
	return nil
}

// checkLayers looks at what is said of the form of layers.
func checkLayers(p imagecall.Place) error {
	how := p.Attrs["compression"]
	switch how {
	case "", "gzip", "zstd", registry.Uncompressed:
	default:
		return fmt.Errorf("compression %q is not known: use gzip, zstd or uncompressed", how)
	}
	if _, err := level(p); err != nil {
		return err
	}
	switch format := Format(p); {
	case format == "docker" && how == "zstd":
		return errors.New("compression=zstd does not go with oci-mediatypes=false: Docker's type of image has no such layers")
	case format == "docker" && p.Type == OCI:
		return errors.New("oci-mediatypes=false does not go with type=oci: use type=docker")
	}
	return nil
}

// checkNames looks at the names of an image. One without a tag is pushed under its digest.
func checkNames(p imagecall.Place) error {
	if _, err := names(p, nil); err != nil {
		return err
	}
	if byDigest, _ := flag(p, byDigestWord, false); !byDigest {
		return nil
	}
	given := p.Attrs["name"]
	if given == "" || given == "*" {
		return errors.New("push-by-digest needs name=REPOSITORY")
	}
	for _, name := range strings.Split(given, ",") {
		if r, err := layer.ParseReference(strings.TrimSpace(name)); err == nil && r.Tag != "" {
			return fmt.Errorf("push-by-digest needs names without a tag, unlike %q", name)
		}
	}
	return nil
}

// Epoch is the time that an output asks for, in seconds since 1970; nil where it does not.
func Epoch(p imagecall.Place) (*int64, error) {
	v, given := p.Attrs[epochWord]
	if !given {
		return nil, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%s=%s is no number of seconds since 1970", epochWord, v)
	}
	return &n, nil
}

// Format is that of the image's manifest, oci or docker; empty where the output does
// not say.
func Format(p imagecall.Place) string {
	oci, err := flag(p, ociWord, true)
	switch _, given := p.Attrs[ociWord]; {
	case !given || err != nil:
		return ""
	case oci:
		return "oci"
	}
	return "docker"
}

// Annotations are those that an output asks for, of each image's manifest and of
// the index of several.
func Annotations(p imagecall.Place) (manifest, index map[string]string) {
	manifest, index = map[string]string{}, map[string]string{}
	for name, value := range p.Attrs {
		switch where, key, _ := strings.Cut(name, "."); where {
		case "annotation", "annotation-manifest":
			manifest[key] = value
		case "annotation-index":
			index[key] = value
		}
	}
	return manifest, index
}

func isFlag(name string) bool {
	return slices.Contains([]string{"push", byDigestWord, "registry.insecure", "store", "unpack", "tar",
		"force-compression", ociWord, "rewrite-timestamp", "platform-split", "name-canonical", "danging-name-empty-only",
		"oci-artifact", "attestation-inline", "prefer-nondist-layers"}, name)
}

// flag reads an attribute that is true or false; an empty one is true.
func flag(p imagecall.Place, name string, missing bool) (bool, error) {
	v, given := p.Attrs[name]
	if !given {
		return missing, nil
	}
	if v == "" {
		return true, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%s=%s is neither true nor false", name, v)
	}
	return b, nil
}

func level(p imagecall.Place) (*int, error) {
	v, given := p.Attrs["compression-level"]
	if !given {
		return nil, nil
	}
	most := 9 // of gzip
	if p.Attrs["compression"] == "zstd" {
		most = 22
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > most {
		return nil, fmt.Errorf("compression-level=%s is no number from 0 to %d", v, most)
	}
	return &n, nil
}

// Names are the full names that an image gets for an output: name=, several with
// commas between, or else those of --tag.
func Names(p imagecall.Place, tags []string) ([]string, error) { return names(p, tags) }

func names(p imagecall.Place, tags []string) ([]string, error) {
	given := p.Attrs["name"]
	if given == "" || given == "*" {
		return tags, nil
	}
	var list []string
	for _, name := range strings.Split(given, ",") {
		full, err := layer.NormalizeLocal(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(list, full) {
			list = append(list, full)
		}
	}
	return list, nil
}

// Write hands a result over. What it says of images that were pushed is for the
// user.
func Write(ctx context.Context, s *registry.Session, p imagecall.Place, r Result) ([]imagecall.Image, error) {
	if len(r.Images) == 0 {
		return nil, errors.New("there is nothing to hand over")
	}
	switch p.Type {
	case Local:
		return nil, writeLocal(ctx, p, r)
	case Tar:
		return nil, writeTar(ctx, p, r)
	case OCI, Docker:
		if p.Type == Docker && p.Attrs["dest"] == "" {
			return nil, nil // the image store is where Docker has it, too
		}
		return nil, writeArchive(ctx, s, p, r)
	case Image, Registry:
		return push(ctx, s, p, r)
	}
	return nil, fmt.Errorf("unknown output %q", p.Type)
}

func writeArchive(ctx context.Context, s *registry.Session, p imagecall.Place, r Result) error {
	list, err := names(p, r.Names)
	if err != nil {
		return err
	}
	lev, err := level(p)
	if err != nil {
		return err
	}
	e := archive.Export{
		Names: list, Output: p.Attrs["dest"], Directory: p.Attrs["tar"] == "false", Docker: p.Type == Docker,
		Compression: p.Attrs["compression"], Level: lev, Annotations: r.Annotations,
	}
	for _, m := range r.Images {
		e.Images = append(e.Images, archive.ExportImage{ID: m.ID, Platform: m.Platform})
	}
	if err := archive.WriteExport(ctx, s, e); err != nil {
		return fmt.Errorf("cannot write the image to %s: %w", place(e.Output), err)
	}
	return nil
}

// place is how a destination is called in messages.
func place(dest string) string {
	if dest == "" || dest == "-" {
		return "standard output"
	}
	return strconv.Quote(dest)
}
