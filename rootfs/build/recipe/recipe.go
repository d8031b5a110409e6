// Package recipe reads a Dockerfile and says what it asks for: which stages
// there are, what each needs, and, once a base image's configuration is known,
// each step with all variables expanded. It is pure: it reads no files and does
// nothing.
//
// Not here: parsing itself, which is BuildKit's; doing the steps (rootfs/build).
package recipe

import (
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options are what a Dockerfile is read with.
type Options struct {
	// Name is the file's, for messages.
	Name string
	// Args are the values of --build-arg.
	Args map[string]string
	// Build and Target are the platforms of this machine and of the result.
	Build, Target imgspec.Platform
	// TargetStage is --target; empty means the last one.
	TargetStage string
	// Contexts are the names of --build-context, which come before stages and images.
	Contexts map[string]bool
	// Labels and Env are added to the result; UnsetEnv and UnsetLabels taken from it.
	Labels                map[string]string
	Env                   []string
	UnsetEnv, UnsetLabels []string
	// Ignored says whether the ignore file keeps a path of the context out, see
	// IgnoredBy. Nil where there is none.
	Ignored func(path string) bool
}

// Recipe is a whole Dockerfile.
type Recipe struct {
	Stages []*Stage
	// Result is the index of the stage that is built.
	Result int
	// Source are the lines of the file, for messages.
	Source []byte
	Name   string
	// Warnings are what --check reports and a build says at its end. Those of
	// instructions are in each Plan.
	Warnings []Warning
	// Epoch is the build argument SOURCE_DATE_EPOCH, nil without one.
	Epoch *int64

	private
}

// private is the package's own part of a Recipe. Nothing changes it once Parse
// is done, so that stages may be planned at the same time.
type private struct {
	opts   Options
	escape rune
	check  linter.Config
	// globals are the predefined arguments and those before the first FROM, as
	// they are now; declared is the latter's outline.
	globals  *environ
	declared map[string]*argument
	// nodes are the instructions of each stage. They are parsed anew for each plan,
	// since expansion changes what instructions.Parse returns.
	nodes [][]*parser.Node
	// uses are the arguments that each stage's FROM takes.
	uses []map[string]bool
	// docs are the comments above each FROM.
	docs []string
	// written are the bases and platforms as FROM has them.
	written [][2]string
}

// Warning is one finding of a build check.
type Warning struct {
	Rule        string // such as StageNameCasing
	Description string
	URL         string
	Message     string
	Location    []parser.Range
}

// BaseKind says what a stage begins with.
type BaseKind int

// Kinds of base.
const (
	BaseImage   BaseKind = iota // an image, by name
	BaseStage                   // an earlier stage
	BaseScratch                 // nothing
	BaseContext                 // a context of --build-context
)

// Stage is one FROM and what follows.
type Stage struct {
	Index int
	// Name is the one after AS, in lower case; may be empty.
	Name     string
	Base     BaseKind
	BaseName string // image or context, expanded but otherwise as written
	BaseAt   int    // index of the base's stage, or -1
	// Platform is what the base is wanted for.
	Platform imgspec.Platform
	// Location is that of FROM.
	Location []parser.Range
	// Commands are the instructions as written, for looking at only: a Plan has them
	// expanded. There are none if a context takes the place of the stage.
	Commands []instructions.Command
	// Needs are the indexes of the stages that COPY --from, ADD and RUN --mount of
	// this one take files from, and its base's, each once, in order.
	Needs []int
}

// Config is an image's configuration as a build changes it: the OCI's with what
// Docker added.
type Config struct {
	imgspec.ImageConfig
	OnBuild     []string     `json:"OnBuild,omitempty"`
	Shell       []string     `json:"Shell,omitempty"`
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"`
	ArgsEscaped bool         `json:"ArgsEscaped,omitempty"`
}

// Healthcheck is Docker's, times in nanoseconds.
type Healthcheck struct {
	Test          []string      `json:"Test,omitempty"`
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// PlanOptions are what planning a stage depends on beside its base's
// configuration.
type PlanOptions struct {
	// Base is the plan of the stage that this one begins with, nil if it begins with
	// something else: its arguments stay in force.
	Base *Plan
	// Author is the base image's.
	Author string
	// Actual is the platform that the base image turned out to have, nil if unknown.
	Actual *imgspec.Platform
}

// Plan is a stage whose base is known.
type Plan struct {
	// Stage is its index.
	Stage int
	Steps []*Step
	// Config is what the stage's image gets in the end.
	Config Config
	// Author is MAINTAINER's, or the base's.
	Author string
	// Needs are the stages that ONBUILD instructions of the base image take files
	// from and that are not among the Stage's own, in order.
	Needs []int
	// Total is the number of steps as BuildKit's progress counts them, Lines that of
	// all instructions as Podman's does, each with FROM.
	Total    int
	Lines    int
	Warnings []Warning

	carried
}

// carried is what a stage that begins with this one goes on with.
type carried struct {
	env        *environ
	args       []instructions.KeyValuePairOptional
	workdirSet bool
	outline    outline
}

// StepKind says what is done for a step.
type StepKind int

// Kinds of step.
const (
	// StepConfig changes the configuration only; its history entry has no layer.
	StepConfig StepKind = iota
	StepRun
	StepCopy // COPY and ADD
	StepWorkdir
)

// Step is one instruction, ready to be done.
type Step struct {
	Kind StepKind
	// Title is the instruction as progress and errors show it, such as
	// "RUN apt-get update"; Number of Total counts within the stage, FROM being 1 if
	// it names an image. A StepConfig and WORKDIR / have no Number. Line counts all
	// instructions of the stage, FROM being 1 in any case.
	Title         string
	Number, Total int
	Line          int
	// OnBuild says that the base asked for it.
	OnBuild  bool
	Location []parser.Range
	// CreatedBy is the history entry, as BuildKit writes it.
	CreatedBy string
	// Run, Copy and Dir are set for their kinds. Dir is an absolute path.
	Run  *Run
	Copy *Copy
	Dir  string
	// User owns what WORKDIR makes: the one in force, as USER named it.
	User string
}

// Run is a RUN.
type Run struct {
	Args []string
	// Env are the image's variables and the arguments in force; Uncached are the
	// names of those (proxies) that do not count for the cache.
	Env      []string
	Uncached []string
	Cwd      string
	User     string
	// Network is empty, default, none or host. Insecure is --security=insecure.
	Network  string
	Insecure bool
	Devices  []*instructions.Device
	// Mounts have absolute targets, except secrets without one (those with Env), and
	// ssh agents without one. CacheID is set for caches, secrets and agents.
	Mounts []*instructions.Mount
	// Origins says for each mount where its files are.
	Origins []Origin
	// Files are here-documents to be put into FilesDir, executable by all and
	// read-only. Other here-documents are in Args.
	Files []instructions.ShellInlineFile
}

// FilesDir is where a RUN finds its Files.
const FilesDir = "/dev/pipes"

// Origin is a place that files are taken from; without any field set (Stage -1)
// it is the main context, or nothing for mounts that have no files.
type Origin struct {
	Stage          int // -1 if none
	Context, Image string
}

// Copy is a COPY or an ADD.
type Copy struct {
	Add bool
	// From is where sources are: empty for the main context, else a stage
	// (FromStage), a context (FromContext) or an image; "scratch" has no files.
	From        string
	FromStage   int // -1 if none
	FromContext bool
	Sources     []string
	// Contents are here-documents: files to make.
	Contents []instructions.SourceContent
	// Dest is as written, expanded; Cwd is what it is relative to.
	Dest, Cwd string
	Chown     string
	Chmod     string
	Link      bool
	Parents   bool
	Excludes  []string
	// ADD only.
	Checksum   string
	KeepGitDir bool
	Unpack     *bool
}
