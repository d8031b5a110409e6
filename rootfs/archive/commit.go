package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage/pkg/archive"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
)

// Commit makes an image of a container's writable layer on top of its image:
// Request.Commit says of which, Request.Images the name, if there is to be one.
func Commit(ctx context.Context, s *registry.Session) (*imagecall.Image, error) {
	from := s.Req.Commit
	if from == nil || from.Upper == "" {
		return nil, errors.New("cannot commit: there is no container")
	}
	names, err := newNames(s.Req.Images)
	if err != nil {
		return nil, err
	}
	if err := ApplyChanges(&Config{}, s.Req.Changes); err != nil {
		return nil, err
	}
	tree, err := layerOf(ctx, s, from)
	if err != nil {
		return nil, fmt.Errorf("cannot read the container's files: %w", err)
	}
	defer tree.Close()
	docker := s.Req.Format == "docker"
	id, changed, err := s.Store.Create(ctx, store.NewImage{
		Base: from.Base, Squash: from.Squash, Tree: interruptible{ctx, tree}, Names: names, Docker: docker,
		Config: func(base []byte, diffID string) ([]byte, error) {
			fmt.Fprintln(s.Report, "Copying blob", diffID)
			blob, err := commitConfig(s.Req, base, diffID)
			if err == nil {
				fmt.Fprintln(s.Report, "Copying config", digest.FromBytes(blob))
			}
			return blob, err
		},
	})
	if err != nil {
		return nil, &registry.Failed{Verb: "commit", Image: from.Container, Err: err}
	}
	fmt.Fprintln(s.Report, "Writing manifest to image destination")
	return made(s, id, names, changed)
}

// layerOf is the new layer: what the container changed, or all of its files from
// standard input.
func layerOf(ctx context.Context, s *registry.Session, from *imagecall.Commit) (io.ReadCloser, error) {
	if from.Squash {
		return open(ctx, "-")
	}
	options := &archive.TarOptions{Compression: archive.Uncompressed, WhiteoutFormat: archive.OverlayWhiteoutFormat}
	var below []string
	if from.Base != "" {
		base, err := s.Store.Images().Load(from.Base)
		if err != nil {
			return nil, err
		}
		below = base.Layers
	}
	own, err := layer.HasOwnMtab(below, from.Upper)
	if err != nil {
		return nil, err
	}
	if own {
		options.ExcludePatterns = []string{strings.TrimPrefix(layer.Mtab, "/")}
	}
	return archive.TarWithOptions(from.Upper, options)
}

// commitConfig adds to the base's configuration what the container changed. It
// keeps what it does not know.
func commitConfig(req *imagecall.Request, base []byte, diffID string) ([]byte, error) {
	d, err := digest.Parse(diffID)
	if err != nil {
		return nil, errors.New("the layer has no digest")
	}
	whole := map[string]json.RawMessage{}
	var known importConfig
	if base == nil {
		known.Architecture, known.OS = runtime.GOARCH, "linux"
	} else if err := errors.Join(json.Unmarshal(base, &whole), json.Unmarshal(base, &known)); err != nil {
		return nil, fmt.Errorf("cannot read the image's configuration: %w", err)
	}
	inner := map[string]json.RawMessage{}
	if len(whole["config"]) > 0 {
		if err := json.Unmarshal(whole["config"], &inner); err != nil {
			return nil, fmt.Errorf("cannot read the image's configuration: %w", err)
		}
	}
	from, now := req.Commit, time.Now().UTC()
	known.Config.Env, known.Config.Entrypoint, known.Config.Cmd = from.Env, from.Entrypoint, from.Cmd
	known.Config.WorkingDir, known.Config.User, known.Config.Labels = from.WorkingDir, from.User, from.Labels
	if err := ApplyChanges(&known.Config, req.Changes); err != nil {
		return nil, err
	}
	step := imgspec.History{Created: &now, CreatedBy: strings.Join(append(from.Entrypoint, from.Cmd...), " "), Author: req.Commit.Author, Comment: req.Message}
	if from.Squash { // the layers below are in this one
		known.RootFS.DiffIDs, known.History = nil, nil
	}
	known.RootFS.Type, known.RootFS.DiffIDs = "layers", append(known.RootFS.DiffIDs, d)
	for _, f := range []struct {
		in    map[string]json.RawMessage
		key   string
		value any
		leave bool
	}{
		{inner, "Env", known.Config.Env, false},
		{inner, "Entrypoint", known.Config.Entrypoint, false},
		{inner, "Cmd", known.Config.Cmd, false},
		{inner, "WorkingDir", known.Config.WorkingDir, false},
		{inner, "User", known.Config.User, false},
		{inner, "Labels", known.Config.Labels, false},
		{inner, "ExposedPorts", known.Config.ExposedPorts, known.Config.ExposedPorts == nil},
		{inner, "Volumes", known.Config.Volumes, known.Config.Volumes == nil},
		{inner, "StopSignal", known.Config.StopSignal, known.Config.StopSignal == ""},
		{inner, "Healthcheck", known.Config.Healthcheck, known.Config.Healthcheck == nil},
		{inner, "OnBuild", known.Config.OnBuild, known.Config.OnBuild == nil},
		{whole, "config", inner, false},
		{whole, "created", now, false},
		{whole, "architecture", known.Architecture, false},
		{whole, "os", known.OS, false},
		{whole, "author", from.Author, from.Author == ""},
		{whole, "comment", req.Message, req.Message == ""},
		{whole, "rootfs", known.RootFS, false},
		{whole, "history", append(known.History, step), false},
	} {
		if f.leave {
			continue
		}
		if f.in[f.key], err = json.Marshal(f.value); err != nil {
			return nil, err
		}
	}
	for _, other := range []string{"id", "parent", "container", "container_config", "docker_version"} {
		delete(whole, other) // they tell of the base
	}
	return json.Marshal(whole)
}
