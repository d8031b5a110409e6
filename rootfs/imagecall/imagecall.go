// Package imagecall is what the engine says to the image tool, the cold
// program that links the registry stack, and what it answers.
//
// The engine executes the tool with the Request as one JSON value on standard
// input's replacement, descriptor 3, and reads the Result from descriptor 4.
// Standard input, output and error are the user's: archives come from or go to
// them, progress goes to standard error.
//
// Not here: any work. Both programs link this package, so it imports the
// standard library, x/sys and state/dirs only.
package imagecall

import (
	"encoding/json"

	"skiff/state/dirs"
)

// Version is the version of Request and Result.
const Version = 1

// Descriptors of the tool.
const (
	RequestFD = 3
	ResultFD  = 4
)

// Operations.
const (
	OpPull   = "pull"
	OpPush   = "push"
	OpTag    = "tag"
	OpUntag  = "untag"
	OpRemove = "remove"
	OpLoad   = "load"
	OpSave   = "save"
	OpImport = "import"
	OpCommit = "commit"
	OpSearch = "search"
	OpLogin  = "login"
	OpLogout = "logout"
	OpSign   = "sign"
	// OpDevices finds what vendors say that a container with their devices needs.
	OpDevices = "devices"
	// OpSync makes the records below images/ agree with the store. Every other
	// operation does so too when it finds a difference. All also removes layers
	// that no image has.
	OpSync = "sync"
	// OpUnpack makes the image embedded in the engine available: Request.Input is
	// an OCI archive.
	OpUnpack = "unpack"
)

// Request is one operation. Only the fields of its operation are read.
type Request struct {
	Version int        `json:"version"`
	Op      string     `json:"op"`
	Roots   dirs.Roots `json:"roots"`
	// StorageDriver and StorageOptions are the global options.
	StorageDriver  string   `json:"storageDriver,omitempty"`
	StorageOptions []string `json:"storageOptions,omitempty"`
	// ImageStores are the shared image stores, absolute and in order; the engine
	// found them in the options, the environment or storage.conf.
	ImageStores []string `json:"imageStores,omitempty"`
	// RegistriesConf, PolicyPath and AuthFile are files to use instead of the
	// usual ones; empty means what the ecosystem's environment variables say.
	RegistriesConf string `json:"registriesConf,omitempty"`
	PolicyPath     string `json:"policyPath,omitempty"`
	AuthFile       string `json:"authFile,omitempty"`
	LogLevel       string `json:"logLevel,omitempty"`

	// Images are the names or ids the operation is about, as the user typed them.
	// Tag: the source, then the new names. Untag: the image, then the names to
	// drop (none: all). Push: the image, then the destination (optional).
	Images []string `json:"images,omitempty"`

	// Pull, push, search, login.
	Quiet     bool   `json:"quiet,omitempty"`
	Policy    string `json:"policy,omitempty"`   // always, missing, never, newer
	Platform  string `json:"platform,omitempty"` // os/arch[/variant]
	AllTags   bool   `json:"allTags,omitempty"`
	CertDir   string `json:"certDir,omitempty"`
	TLSVerify *bool  `json:"tlsVerify,omitempty"`
	Username  string `json:"username,omitempty"`
	Password  string `json:"password,omitempty"`
	Retry     *int   `json:"retry,omitempty"`
	// RetryDelay is in the form of time.ParseDuration.
	RetryDelay string `json:"retryDelay,omitempty"`
	// CompressionFormat is gzip, zstd, zstd:chunked, or uncompressed (save, outputs
	// of a build), or empty for as it is; CompressionLevel is the format's.
	CompressionFormat string `json:"compressionFormat,omitempty"`
	CompressionLevel  *int   `json:"compressionLevel,omitempty"`
	// ManifestFormat is oci, v2s2, v2s1 or empty for as it is (push).
	ManifestFormat   string `json:"manifestFormat,omitempty"`
	DigestFile       string `json:"digestFile,omitempty"`
	RemoveSignatures bool   `json:"removeSignatures,omitempty"`

	// Remove.
	Force    bool `json:"force,omitempty"`
	NoPrune  bool `json:"noPrune,omitempty"`
	All      bool `json:"all,omitempty"`
	Ignore   bool `json:"ignore,omitempty"`
	Dangling bool `json:"dangling,omitempty"`

	// Load, save, import, unpack. Input and Output are paths; "" and "-" are
	// standard input and output.
	Input  string `json:"input,omitempty"`
	Output string `json:"output,omitempty"`
	// Format is docker-archive, oci-archive, oci-dir or docker-dir (save).
	// Commit: oci or docker.
	Format  string   `json:"format,omitempty"`
	Message string   `json:"message,omitempty"` // import, commit
	Changes []string `json:"changes,omitempty"` // import, commit: Dockerfile instructions
	Commit  *Commit  `json:"commit,omitempty"`
	Index   *Index   `json:"index,omitempty"`

	// Sign. Images are local names or ids, or have the transport docker:// or
	// containers-storage: before them; All signs each image of an index.
	SignBy string `json:"signBy,omitempty"`
	// SignDir is where signatures go instead of the registry's lookaside storage.
	SignDir string `json:"signDir,omitempty"`

	// Devices are names as vendor.com/class=name, DeviceDirs, also for a build, where
	// vendors describe them (none: the usual places), and UID and GID whom nodes belong to for which
	// the description does not say.
	Devices    []string `json:"devices,omitempty"`
	DeviceDirs []string `json:"deviceDirs,omitempty"`
	UID        uint32   `json:"uid,omitempty"`
	GID        uint32   `json:"gid,omitempty"`

	// Search.
	Term           string   `json:"term,omitempty"`
	Limit          int      `json:"limit,omitempty"`
	Filters        []string `json:"filters,omitempty"`
	ListTags       bool     `json:"listTags,omitempty"`
	NoTrunc        bool     `json:"noTrunc,omitempty"`
	Registry       string   `json:"registry,omitempty"` // login, logout
	GetLogin       bool     `json:"getLogin,omitempty"`
	Verbose        bool     `json:"verbose,omitempty"`
	CompatAuthFile string   `json:"compatAuthFile,omitempty"`

	Build *Build `json:"build,omitempty"` // build
}

// Commit is the container to make an image of. Request.Images holds the image's
// name, if it is to have one.
type Commit struct {
	// Container is its name, for messages.
	Container string `json:"container"`
	// Base is the id of the container's image; empty for one without.
	Base string `json:"base,omitempty"`
	// Upper is the container's writable layer as overlay keeps it.
	Upper string `json:"upper"`
	// Squash makes one layer of all of the container's files, which come as a tar
	// archive on standard input, without those of Base.
	Squash bool   `json:"squash,omitempty"`
	Author string `json:"author,omitempty"`
	// What the container runs takes the place of what its image asks for.
	Env        []string          `json:"env,omitempty"`
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Cmd        []string          `json:"cmd,omitempty"`
	WorkingDir string            `json:"workingDir,omitempty"`
	User       string            `json:"user,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// Result is the answer. Failure and the rest may come together: what was done
// before it failed.
type Result struct {
	Version int `json:"version"`
	// Images are the images that were pulled, loaded, imported or resolved, in the
	// order in which they were asked for.
	Images []Image `json:"images,omitempty"`
	// Untagged and Deleted are what a remove did, in order.
	Removed []Removed `json:"removed,omitempty"`
	// Search holds search results.
	Search []SearchResult `json:"search,omitempty"`
	// Login is the user that is logged in (GetLogin), or the outcome's message.
	Login string `json:"login,omitempty"`
	// Spec is an OCI runtime specification that has what the devices need and
	// nothing else; HostNodes are the host's nodes by their paths in the container,
	// where these differ.
	Spec      json.RawMessage   `json:"spec,omitempty"`
	HostNodes map[string]string `json:"hostNodes,omitempty"`
	// Document is what there is to show (OpIndex).
	Document []byte `json:"document,omitempty"`
	// Failures are one line each, without "Error: ".
	Failures []Failure `json:"failures,omitempty"`
}

// Image names one image of a Result.
type Image struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"` // full reference
	Digest string `json:"digest,omitempty"`
	// Changed says that the image was not in the store before.
	Changed bool `json:"changed,omitempty"`
}

// Removed is one step of a removal; one of the two is set.
type Removed struct {
	Untagged string `json:"untagged,omitempty"`
	Deleted  string `json:"deleted,omitempty"`
}

// SearchResult is one row of search.
type SearchResult struct {
	Index       string   `json:"index"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Stars       int      `json:"stars"`
	Official    bool     `json:"official"`
	Automated   bool     `json:"automated"`
	Tag         string   `json:"tag,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

// Kinds of Failure that the engine tells apart.
const (
	FailOther    = "other"
	FailNotFound = "not-found"
	FailInUse    = "in-use"
	FailUsage    = "usage"
	FailAuth     = "auth"
	// FailChecks: build --check has printed what it found.
	FailChecks = "checks"
	// FailStart: a build's program was not run.
	FailStart = "start"
)

// Failure is one thing that could not be done.
type Failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	// Image is which of the request's images it is about, if one is.
	Image string `json:"image,omitempty"`
	// Code is the exit status of a build's program that failed, or that was not run;
	// 0 for other failures.
	Code int `json:"code,omitempty"`
	// Step is the instruction of a build that failed, Place where it is, such as
	// Dockerfile:13, and Cause the message without these two; empty for others.
	Step  string `json:"step,omitempty"`
	Place string `json:"place,omitempty"`
	Cause string `json:"cause,omitempty"`
	// State is the image of what a build had before the step that failed.
	State string `json:"state,omitempty"`
}
