package imagecall

import "skiff/state"

// Step is a program to run for a RUN instruction, from the tool to the engine:
// one JSON value, with descriptors for standard input, output and error (and
// nothing else) beside it. The engine answers with one StepResult for each Step,
// in the order in which they end.
type Step struct {
	// Number tells the steps of one build apart.
	Number int `json:"number"`
	// Cancel, alone with Number, ends a step that was begun; its result comes too.
	Cancel bool `json:"cancel,omitempty"`

	// Lower are the layers below, lowest first, and Upper and Work the writable
	// one, all absolute directories as overlay takes them. Upper holds afterwards
	// what the step changed.
	Lower []string `json:"lower,omitempty"`
	Upper string   `json:"upper,omitempty"`
	Work  string   `json:"work,omitempty"`

	Args []string `json:"args,omitempty"`
	// Env is the whole environment, NAME=value. EnvFile is a file with more of it, each
	// with a zero byte after it, that is read when the program starts and recorded
	// nowhere: secrets.
	Env     []string `json:"env,omitempty"`
	EnvFile string   `json:"envFile,omitempty"`
	Cwd     string   `json:"cwd,omitempty"`
	User    string   `json:"user,omitempty"`
	// Network is empty for that of the build's options, or default, none or host.
	Network string `json:"network,omitempty"`
	// Insecure is RUN --security=insecure: a privileged container.
	Insecure bool     `json:"insecure,omitempty"`
	Devices  []string `json:"devices,omitempty"` // RUN --device: vendor.com/class=name
	Mounts   []Mount  `json:"mounts,omitempty"`
	// Terminal gives the program a terminal, for --shell-on-failure: the engine
	// then takes the caller's own.
	Terminal bool `json:"terminal,omitempty"`
	// Title names the step for messages.
	Title string `json:"title,omitempty"`
}

// Mount is something that a step sees and that is no part of its result. Its
// mount point is made where there is none and, if the program left it empty, is
// gone from the result.
type Mount struct {
	Target   string `json:"target"` // absolute, in the container
	ReadOnly bool   `json:"readOnly,omitempty"`
	// One of the following: Layers, which are shown merged, with what the program
	// writes thrown away unless ReadOnly, and of which Subpath is shown; Source, a
	// file, directory or socket of the host; or a tmpfs.
	Layers  []string `json:"layers,omitempty"`
	Subpath string   `json:"subpath,omitempty"`
	Source  string   `json:"source,omitempty"`
	Tmpfs   bool     `json:"tmpfs,omitempty"`
	// Size bounds the tmpfs in bytes; 0 is no bound.
	Size int64 `json:"size,omitempty"`
}

// StepResult is how a step ended.
type StepResult struct {
	Number int `json:"number"`
	// Code is the program's exit status, as run's.
	Code int `json:"code"`
	// OOMKilled says that the program met its limit of memory.
	OOMKilled bool `json:"oomKilled,omitempty"`
	// Usage is what the program has used.
	Usage state.Usage `json:"usage,omitzero"`
	// Error says why the program was not run at all; without "Error: ".
	Error string `json:"error,omitempty"`
}
