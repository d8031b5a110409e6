// Package libpod decides: each verb of the engine is a method of Engine in a
// file of its own, which says in which order things happen, which locks are held
// meanwhile, and what is undone when a step fails. How things are done is the
// business of runtime, rootfs and netsetup.
package libpod

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"

	"skiff/libpod/settings"
	"skiff/netsetup"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/volume"
	"skiff/runtime/rootless"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/event"
)

// InternalCommand is the first argument of the commands that skiff gives only
// to itself: the engine's Options as JSON, a name and an id follow.
const InternalCommand = "@internal"

// Names of the internal commands.
const (
	InternalStart    = "start-stage"
	InternalExec     = "exec-stage"
	InternalHealth   = "health-stage"
	InternalTeardown = "teardown"
	InternalRemove   = "remove"
	// InternalFiles reads a FilesRequest and works on the container's files.
	InternalFiles = "files"
	// InternalRemoveVolume is followed by a volume's name.
	InternalRemoveVolume = "remove-volume"
	// InternalRemoveImage is followed by an image's name.
	InternalRemoveImage = "remove-image"
	// InternalPruneShifted is followed by a word that means nothing.
	InternalPruneShifted = "prune-shifted"
	// InternalReloadNetworks restores the packet rules of all containers. It is
	// followed by the id of the one whose monitor wants that.
	InternalReloadNetworks = "reload-networks"
	// InternalPruneBuilds is followed by a cache.Filter and prints a cache.Freed, both
	// as JSON.
	InternalPruneBuilds = "prune-builds"
)

// Options are the command line's global options in so far as they matter to
// the engine. They travel to the stages as JSON.
type Options struct {
	Roots         dirs.Roots `json:"roots"`
	CgroupManager string     `json:"cgroupManager,omitempty"`
	Runtime       string     `json:"runtime,omitempty"`
	// Version is skiff's own.
	Version        string   `json:"version,omitempty"`
	RuntimeFlags   []string `json:"runtimeFlags,omitempty"`
	StorageDriver  string   `json:"storageDriver,omitempty"`
	StorageOptions []string `json:"storageOptions,omitempty"`
	// ImageStores are the shared image stores, absolute and in order.
	ImageStores []string `json:"imageStores,omitempty"`
	LogLevel    string   `json:"logLevel,omitempty"`
	// Firewall is "", nftables, iptables or none.
	Firewall string `json:"firewall,omitempty"`
	// Subnet is what the default network gets when it is first used, such as
	// 10.88.0.0/16; empty means a free one.
	Subnet string `json:"subnet,omitempty"`
	// Events is the log of what happens; nothing is logged without a path.
	Events event.Log `json:"events,omitzero"`
	// InspectCreated puts the document of inspect into the event of a creation.
	InspectCreated bool `json:"inspectCreated,omitempty"`
}

// Engine does what the commands ask. It holds no state of its own: everything
// is read from the records when it is needed.
type Engine struct {
	Roots    dirs.Roots
	Store    *state.Store
	Images   layer.Images
	Volumes  volume.Volumes
	Settings settings.Settings
	Global   Options
	// Warn is told, in one line each, what is done without; may be nil.
	Warn func(line string)
}

// Open makes an engine for one pair of roots. It reads nothing but the boot id.
func Open(opt Options, s settings.Settings) (*Engine, error) {
	store, err := state.Open(opt.Roots)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		Roots:    opt.Roots,
		Store:    store,
		Images:   layer.Images{Roots: opt.Roots},
		Volumes:  volume.Volumes{Roots: opt.Roots},
		Settings: s,
		Global:   opt,
	}
	if len(opt.ImageStores) > 0 {
		e.Images.Shared = &layer.Shared{Stores: opt.ImageStores, Renew: e.renewShared}
	}
	return e, nil
}

// renewShared derives the records of the shared stores' images anew.
func (e *Engine) renewShared() error {
	res, err := e.imageTool(context.Background(), imagecall.Request{Op: imagecall.OpSync}, imageStdio{})
	return cmp.Or(err, failure(res))
}

// Networks is the network manager for this engine's roots.
func (e *Engine) Networks() *netsetup.Manager {
	subnet, _ := netip.ParsePrefix(e.Global.Subnet) // checked where it was read; else a free one
	return &netsetup.Manager{Roots: e.Roots, Firewall: e.Global.Firewall, Suffix: Suffix(e.Roots), Subnet: subnet}
}

// Suffix tells what belongs to these roots from what belongs to others where
// names are shared by the whole machine (links, tables, cgroups): empty for the
// default roots, a short hash of the data root for others.
func Suffix(r dirs.Roots) string {
	if r.Data == dirs.Default(0).Data {
		return ""
	}
	sum := sha256.Sum256([]byte(r.Data))
	return hex.EncodeToString(sum[:4])
}

// CgroupPrefix names the parent of the containers' cgroups.
func CgroupPrefix(r dirs.Roots) string {
	if suffix := Suffix(r); suffix != "" {
		return "skiff-" + suffix
	}
	return "skiff"
}

// Rootless reports whether the engine acts for an ordinary user, whose
// containers live in a user namespace that the engine itself is not in.
func (e *Engine) Rootless() bool { return rootless.Needed() }

// command is the argument vector with which this program calls itself.
func (e *Engine) command() ([]string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find skiff's own program file: %w", err)
	}
	opt, err := json.Marshal(e.Global)
	if err != nil {
		return nil, err
	}
	return []string{exe, InternalCommand, string(opt)}, nil
}
