package state

import "time"

// ImageVersion is the version that this skiff writes into images/<id>.json.
const ImageVersion = 1

// Image is an image as the engine needs it: everything that create, run, ps,
// images, inspect and history ask, so that none of them opens the image store.
// The image tool writes it after it has committed the image to the store, and
// removes it before it removes the image from there.
type Image struct {
	Version int    `json:"version"`
	ID      string `json:"id"` // digest of the config, 64 hex digits
	// Names are full references with a tag; a dangling image has none.
	Names []string `json:"names,omitempty"`
	// NamesHistory are names that the image had before, the newest first.
	NamesHistory []string `json:"namesHistory,omitempty"`
	// Digest is the manifest's, as sha256:<hex>.
	Digest string `json:"digest,omitempty"`
	// RepoDigests are full references with a digest.
	RepoDigests []string  `json:"repoDigests,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	// Added is when the image came to this store.
	Added time.Time `json:"added,omitzero"`
	// Size is the sum of the layers' sizes in bytes, unpacked.
	Size int64 `json:"size"`
	// Layers are the layers' directories from the lowest to the top one, absolute.
	Layers []string `json:"layers,omitempty"`
	// DiffIDs are the digests of the uncompressed layers, lowest first.
	DiffIDs []string `json:"diffIds,omitempty"`
	// LayerSizes are the layers' unpacked sizes in bytes, lowest first.
	LayerSizes   []int64 `json:"layerSizes,omitempty"`
	OS           string  `json:"os"`
	Architecture string  `json:"architecture"`
	Variant      string  `json:"variant,omitempty"`
	Author       string  `json:"author,omitempty"`
	Comment      string  `json:"comment,omitempty"`
	// ManifestType is the media type of the manifest.
	ManifestType string            `json:"manifestType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Config       ImageConfig       `json:"config"`
	History      []ImageHistory    `json:"history,omitempty"`
	// ReadOnly marks an image of an additional, shared store.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Index, if set, says that this is a list of images and no image itself: it has
	// no layers, its Digest is the index's, and it cannot be run.
	Index *Index `json:"index,omitempty"`
}

// Index is a list of images for several platforms. OCI image spec: image-index.md.
type Index struct {
	Instances []Instance `json:"instances"`
}

// Instance is one of an index. It is the image with that digest, which need not be
// here.
type Instance struct {
	Digest       string `json:"digest"` // of its manifest
	OS           string `json:"os,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	Variant      string `json:"variant,omitempty"`
	OSVersion    string `json:"osVersion,omitempty"`
	// ArtifactType is set for one that is no image.
	ArtifactType string `json:"artifactType,omitempty"`
	// Source is the docker:// name it was added by, for one of a registry.
	Source string `json:"source,omitempty"`
}

// ImageConfig is what the image asks of a container made from it.
// OCI image spec: config.md, field config.
type ImageConfig struct {
	User         string            `json:"user,omitempty"`
	Env          []string          `json:"env,omitempty"`
	Entrypoint   []string          `json:"entrypoint,omitempty"`
	Cmd          []string          `json:"cmd,omitempty"`
	WorkingDir   string            `json:"workingDir,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	ExposedPorts []string          `json:"exposedPorts,omitempty"` // sorted, as "80/tcp"
	Volumes      []string          `json:"volumes,omitempty"`      // sorted paths
	StopSignal   string            `json:"stopSignal,omitempty"`
	Shell        []string          `json:"shell,omitempty"`
	OnBuild      []string          `json:"onBuild,omitempty"`
	Healthcheck  *Healthcheck      `json:"healthcheck,omitempty"`
}

// ImageHistory is one step of how the image was made, the oldest first.
// OCI image spec: config.md, field history.
type ImageHistory struct {
	Created    time.Time `json:"created,omitzero"`
	CreatedBy  string    `json:"createdBy,omitempty"`
	Author     string    `json:"author,omitempty"`
	Comment    string    `json:"comment,omitempty"`
	EmptyLayer bool      `json:"emptyLayer,omitempty"`
}
