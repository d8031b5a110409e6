package imagecall

import "time"

// OpBuild makes images from a Dockerfile: Request.Build says how. The tool talks
// to the engine on StepsFD meanwhile, see Step.
const OpBuild = "build"

// StepsFD is one end of a unix stream socket on which the tool asks the engine
// to run the programs of RUN instructions.
const StepsFD = 5

// Build is what is to be built. Relative paths are made absolute by the engine.
type Build struct {
	// Context is the directory, the URL of an archive or of a git repository, or
	// "-" for an archive on standard input. Docker: the argument of build. Empty
	// means no files.
	Context string `json:"context,omitempty"`
	// File is the Dockerfile: a path, a URL, or "-" for standard input; empty means
	// Containerfile or Dockerfile in the context. Docker: --file.
	File string `json:"file,omitempty"`
	// IgnoreFile takes the place of .containerignore and .dockerignore. Podman:
	// --ignorefile.
	IgnoreFile string `json:"ignoreFile,omitempty"`
	// Contexts are further sources of files by name: directories, URLs,
	// docker-image://REF, container-image://REF, oci-layout://PATH[:TAG] and
	// target:STAGE. Docker: --build-context.
	Contexts map[string]string `json:"contexts,omitempty"`

	Tags     []string `json:"tags,omitempty"`
	Target   string   `json:"target,omitempty"`
	Platform []string `json:"platform,omitempty"` // several make an index
	// Manifest is the list to add the image to. Podman: --manifest.
	Manifest string `json:"manifest,omitempty"`
	// Args are the values of build arguments. Docker: --build-arg; those without a
	// value got the caller's variable, or are missing here.
	Args        map[string]string `json:"args,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Env and UnsetEnv change what the image's programs find. Podman: --env, --unsetenv.
	Env      []string `json:"env,omitempty"`
	UnsetEnv []string `json:"unsetEnv,omitempty"`
	// UnsetLabels leaves labels of the base out. Podman: --unsetlabel.
	UnsetLabels []string `json:"unsetLabels,omitempty"`

	// NoCache runs every step; NoCacheStages only those of these stages, by name.
	NoCache       bool     `json:"noCache,omitempty"`
	NoCacheStages []string `json:"noCacheStages,omitempty"`
	CacheFrom     []Place  `json:"cacheFrom,omitempty"`
	CacheTo       []Place  `json:"cacheTo,omitempty"`
	// CacheTTL is how old what the cache holds may be, as of time.ParseDuration.
	// Podman: --cache-ttl.
	CacheTTL string `json:"cacheTTL,omitempty"`
	// CachePolicy bounds what stays of the cache after the build.
	CachePolicy CachePolicy `json:"cachePolicy,omitzero"`

	Secrets []BuildSecret `json:"secrets,omitempty"`
	SSH     []BuildSSH    `json:"ssh,omitempty"`
	// Outputs are where the result goes; none means into the image store.
	// Docker: --output.
	Outputs []Place `json:"outputs,omitempty"`

	// Squash makes one layer of those that the build adds, SquashAll of all.
	Squash    bool `json:"squash,omitempty"`
	SquashAll bool `json:"squashAll,omitempty"`
	// Format is oci or docker, the kind of manifest. Podman: --format.
	Format string `json:"format,omitempty"`
	// Timestamp, if set, is the time of creation in seconds since 1970 and the
	// latest time of any file. Podman: --timestamp; SOURCE_DATE_EPOCH.
	Timestamp *int64 `json:"timestamp,omitempty"`
	// Jobs bounds the steps that run at the same time; 0 means the processors.
	Jobs int `json:"jobs,omitempty"`

	// LogUsage tells of each step what it has used. Podman: --log-rusage.
	LogUsage bool `json:"logUsage,omitempty"`

	// Check looks for mistakes and builds nothing. Docker: --check.
	Check bool `json:"check,omitempty"`
	// Outline and Targets only say what arguments and stages there are.
	// Docker: --call=outline, --call=targets; Format json with CallJSON.
	Call     string `json:"call,omitempty"`
	CallJSON bool   `json:"callJSON,omitempty"`

	// Progress is auto, plain, tty, quiet or rawjson. Docker: --progress.
	Progress string `json:"progress,omitempty"`
	// ShellOnFailure opens a shell in a step that failed.
	ShellOnFailure bool `json:"shellOnFailure,omitempty"`
	// Network is the mode of RUN: empty, default, none, host, or what run --network
	// takes. It is a part of what the cache knows a step by.
	Network string `json:"network,omitempty"`
	// Container stands for the options that change what the programs of RUN find; it
	// is a part of what the cache knows a step by, too.
	Container string `json:"container,omitempty"`
	// MetadataFile gets what was built, as JSON. Docker: --metadata-file.
	MetadataFile string `json:"metadataFile,omitempty"`
}

// BuildSecret is something that RUN --mount=type=secret may show. One of File, an
// absolute path, and Env, a variable of the caller's, is set. Docker: --secret.
type BuildSecret struct {
	ID   string `json:"id"`
	File string `json:"file,omitempty"`
	Env  string `json:"env,omitempty"`
}

// BuildSSH is an agent that RUN --mount=type=ssh may use: one that holds the keys
// in Paths, or that whose socket the only one of them is; without any the caller's
// (SSH_AUTH_SOCK). Docker: --ssh.
type BuildSSH struct {
	ID    string   `json:"id"` // "default" where none was given
	Paths []string `json:"paths,omitempty"`
}

// Place is where a cache or a result is. Docker: --output, --cache-from, --cache-to.
type Place struct {
	// Type is local, tar, oci, docker, image or registry.
	Type string `json:"type"`
	// Attrs are the others of its type=…,name=value words; dest is absolute.
	Attrs map[string]string `json:"attrs,omitempty"`
}

// Space is a part of a file system: bytes, or hundredths of all of it.
type Space struct {
	Bytes   int64 `json:"bytes,omitempty"`
	Percent int64 `json:"percent,omitempty"`
}

// CachePolicy is what the user has set for the build cache; nil means skiff's own
// default, and 0 no limit. containers.conf: build_cache.
type CachePolicy struct {
	MaxUsed  *Space `json:"maxUsed,omitempty"`
	MinFree  *Space `json:"minFree,omitempty"`
	Reserved *Space `json:"reserved,omitempty"`
	// Unused is how long what nobody uses is kept.
	Unused *time.Duration `json:"unused,omitempty"`
}
