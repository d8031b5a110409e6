// Package exchange hands what builds keep from one machine to another: it writes
// steps of the cache to a registry or a directory, and takes them from there.
//
// Not here: the cache itself (rootfs/build/cache), and talking to registries
// (rootfs/registry).
package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
)

// Media types of a cache: an OCI manifest whose configuration is a document, and
// whose layers are those of the document's steps.
const (
	ArtifactType = "application/vnd.skiff.buildcache.v1"
	ConfigType   = "application/vnd.skiff.buildcache.config.v1+json"
)

// InlineKey is where an image's configuration has the keys of the steps that its
// layers came from. Docker: --cache-to type=inline.
const InlineKey = "vnd.skiff.buildcache.v1"

// Bounds of what strangers write.
const (
	mostSteps   = 10_000
	mostArchive = 256 << 30 // bytes of one layer, uncompressed
)

// document is the configuration of a cache.
type document struct {
	Version int    `json:"version"`
	Steps   []Step `json:"steps"`
}

const documentVersion = 1

// Step is a step of a build in a cache.
type Step struct {
	Key string `json:"key"`
	// Renews is another key that finds the step, see cache.Record.
	Renews  string    `json:"renews,omitempty"`
	Title   string    `json:"title,omitempty"`
	Created time.Time `json:"created"`
	Input   bool      `json:"input,omitempty"`
	// Layer is the index of the layer in the manifest; DiffID and Size are those of
	// the uncompressed archive. Size is not known of an image's own layers.
	Layer  int           `json:"layer"`
	DiffID digest.Digest `json:"diffId"`
	Size   int64         `json:"size,omitempty"`

	blob    imgspec.Descriptor
	inlined bool // a layer of an image
}

func isKey(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// check refuses what cannot be.
func (s *Step) check(layers int) error {
	switch {
	case !isKey(s.Key) || s.Renews != "" && !isKey(s.Renews):
		return errors.New("a step has no valid key")
	case s.Layer < 0 || s.Layer >= layers:
		return fmt.Errorf("step %s has no layer", s.Key)
	case s.Size < 0 || s.Size > mostArchive:
		return fmt.Errorf("step %s says that it has %d bytes", s.Key, s.Size)
	}
	if err := s.DiffID.Validate(); err != nil || s.DiffID.Algorithm() != digest.SHA256 {
		return fmt.Errorf("step %s has no valid digest", s.Key)
	}
	if len(s.Title) > 4096 {
		s.Title = s.Title[:4096]
	}
	return nil
}

// Inline is the value of InlineKey for an image: the keys of the steps that its
// layers came from, the lowest first, empty for those of the base, and likewise
// what they renew.
func Inline(keys, renews []string) (json.RawMessage, error) {
	d := inline{Version: documentVersion, Keys: keys}
	if slices.ContainsFunc(renews, func(k string) bool { return k != "" }) {
		d.Renews = renews
	}
	return json.Marshal(d)
}

type inline struct {
	Version int      `json:"version"`
	Keys    []string `json:"keys"`
	Renews  []string `json:"renews,omitempty"`
}

// Check looks at the places of caches before anything is built.
func Check(from, to []imagecall.Place) error {
	for _, p := range append(append([]imagecall.Place{}, from...), to...) {
		switch p.Type {
		case "registry":
			if _, err := layer.Normalize(p.Attrs["ref"]); err != nil {
				return fmt.Errorf("invalid cache %q: %w", p.Attrs["ref"], err)
			}
		case "local", "inline":
		default:
			return fmt.Errorf("unknown type %q of a cache: use registry, local or inline", p.Type)
		}
		switch c := p.Attrs["compression"]; c {
		case "", "gzip", "zstd", "uncompressed":
		default:
			return fmt.Errorf("compression %q is not known: use gzip, zstd or uncompressed", c)
		}
	}
	return nil
}

// defaultTag is that of a repository to which a cache goes and for which none was
// given: latest is rather an image's.
const defaultTag = "buildcache"

// names are the full names at which the cache of a place is looked for.
func names(p imagecall.Place) ([]string, error) {
	full, err := layer.Normalize(p.Attrs["ref"])
	if err != nil {
		return nil, err
	}
	r, err := layer.ParseReference(p.Attrs["ref"])
	if err != nil {
		return nil, err
	}
	if r.Tag != "" || r.Digest != "" {
		return []string{full}, nil
	}
	repository := strings.TrimSuffix(full, ":latest")
	return []string{repository + ":" + defaultTag, full}, nil
}
