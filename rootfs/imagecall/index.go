package imagecall

import "encoding/json"

// OpIndex works on an index of images (manifest list): Request.Index says what is
// to be done. Request.Images is the list, and then what is to be added or changed
// or, for a push, the destination.
const OpIndex = "index"

// Things to do with an index.
const (
	IndexCreate   = "create"
	IndexAdd      = "add"
	IndexAnnotate = "annotate"
	IndexDrop     = "drop" // an instance
	IndexRemove   = "remove"
	IndexInspect  = "inspect"
	IndexPush     = "push"
	// IndexCompose makes an index of images in registries and pushes it at once
	// under the names Index.Tags. Docker: buildx imagetools create.
	IndexCompose = "compose"
	// IndexShow gives Result.Document as Shown, with Verbose the images' configurations
	// as well. Docker: buildx imagetools inspect.
	IndexShow = "show"
)

// Shown is what a registry has under a name.
type Shown struct {
	Name      string `json:"name"` // in full
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
	// Raw is the manifest as it is.
	Raw []byte `json:"raw"`
	// Configs are the images' configurations by platform.
	Configs map[string]json.RawMessage `json:"configs,omitempty"`
}

// Described is what a descriptor says of an image.
type Described struct {
	OS           string            `json:"os,omitempty"`
	Architecture string            `json:"architecture,omitempty"`
	Variant      string            `json:"variant,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// Index is what is to be done with an index.
type Index struct {
	Do string `json:"do"`
	// All takes all images of an index that is added, or sends them on a push.
	All bool `json:"all,omitempty"`
	// Amend changes an index that is there already.
	Amend bool `json:"amend,omitempty"`
	// Whole means the index itself instead of an instance. Podman: annotate --index.
	Whole       bool              `json:"whole,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// What an instance is for, where that is not what the image says.
	OS           string   `json:"os,omitempty"`
	Architecture string   `json:"architecture,omitempty"`
	Variant      string   `json:"variant,omitempty"`
	OSVersion    string   `json:"osVersion,omitempty"`
	Features     []string `json:"features,omitempty"`
	OSFeatures   []string `json:"osFeatures,omitempty"`
	// Subject is the image that the index, or the artifact, is about.
	Subject string `json:"subject,omitempty"`
	// Artifact makes one instance of files: Images[1:] are their absolute paths.
	Artifact *Artifact `json:"artifact,omitempty"`
	// Raw inspects without a change; Verbose reads each instance's manifest as well.
	Raw     bool `json:"raw,omitempty"`
	Verbose bool `json:"verbose,omitempty"`
	// AddCompression sends each instance once more with its layers compressed by
	// these: gzip, zstd, zstd:chunked.
	AddCompression []string `json:"addCompression,omitempty"`
	// KeepCompressed leaves layers that the registry has in another compression.
	KeepCompressed bool `json:"keepCompressed,omitempty"`
	// CompressionLevel is the algorithm's own.
	CompressionLevel *int `json:"compressionLevel,omitempty"`
	// Remove removes the index after a push.
	Remove bool `json:"remove,omitempty"`
	// Tags are where a composed index goes; DryRun only makes it.
	Tags   []string `json:"tags,omitempty"`
	DryRun bool     `json:"dryRun,omitempty"`
	// Bare sends a single image as it is and not as an index of one.
	Bare bool `json:"bare,omitempty"`
	// Platforms are those that a composed index has; none means all.
	Platforms []string `json:"platforms,omitempty"`
	// MemberAnnotations are of the images in a composed index, by platform, or for all
	// of them under "".
	MemberAnnotations map[string]map[string]string `json:"memberAnnotations,omitempty"`
	// Described are what descriptors say of sources, by the source.
	Described map[string]Described `json:"described,omitempty"`
}

// Artifact says what the manifest of an artifact is like. OCI image spec:
// manifest.md, guidelines for artifact usage.
type Artifact struct {
	// Type is the artifact's; nil is application/vnd.unknown.artifact.v1.
	Type *string `json:"type,omitempty"`
	// Config is the content of the configuration, ConfigType its media type.
	Config     []byte `json:"config,omitempty"`
	ConfigType string `json:"configType,omitempty"`
	// LayerType is the media type of the files; else it is found out for each.
	LayerType string `json:"layerType,omitempty"`
	// NoTitles leaves the files' names out.
	NoTitles bool `json:"noTitles,omitempty"`
}
