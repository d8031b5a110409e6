// Package mounts turns the mounts of a RUN instruction into what the engine
// mounts: directories that keep caches from build to build, secrets, agents of
// SSH, and files of stages, images and contexts.
//
// Not here: mounting (libpod/stage), and whose files those are (rootfs/build).
package mounts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"skiff/rootfs/imagecall"
	"skiff/state/dirs"
	"skiff/state/memory"
)

// Provider is what mounts are made from.
type Provider struct {
	Roots dirs.Roots
	// Cwd is what targets are relative to.
	Cwd string
	// Secrets and SSH are what the build was given.
	Secrets []imagecall.BuildSecret
	SSH     []imagecall.BuildSSH
	// Layers gives the layers, lowest first, of what from= names; empty is the build
	// context. They stay until done.
	Layers func(from string) ([]string, error)
	// Namespace keeps caches of builds apart that have the same id; empty is that of
	// all.
	Namespace string
}

// Vars are variables for the program.
type Vars struct {
	Env []string
	// File holds those that are secrets, see imagecall.Step.EnvFile; empty for none.
	File string
}

// Resolve makes what a step's mounts show, and gives them as the engine takes
// them. It waits for caches that are locked. done is called when the step has
// ended, and only if there was no error.
func Resolve(ctx context.Context, list []*instructions.Mount, p Provider) (mounts []imagecall.Mount, vars Vars, done func(), err error) {
	r := &resolver{p: p, caches: map[string]*held{}}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if err := r.lockCaches(ctx, list); err != nil {
		return nil, vars, nil, err
	}
	for _, m := range list {
		if err := r.add(m); err != nil {
			return nil, vars, nil, err
		}
	}
	if vars.File, err = r.secretVars(); err != nil {
		return nil, vars, nil, err
	}
	vars.Env = r.env
	return r.mounts, vars, r.close, nil
}

// resolver gathers the mounts of one step.
type resolver struct {
	p      Provider
	mounts []imagecall.Mount
	env    []string
	secret []string // variables
	// place is for files that are not to be on a disk; nil until it is needed.
	place *memory.Place
	files int // in place
	// caches are those that the step holds, by key.
	caches map[string]*held
	agents []*agentSocket
	ssh    int // mounts of that kind
}

func (r *resolver) close() {
	for _, a := range r.agents {
		a.close()
	}
	for _, h := range r.caches {
		h.release()
	}
	if r.place != nil {
		r.place.Remove()
	}
}

func (r *resolver) add(m *instructions.Mount) error {
	switch m.Type {
	case instructions.MountTypeBind:
		return r.bind(m)
	case instructions.MountTypeCache:
		return r.cache(m)
	case instructions.MountTypeTmpfs:
		target, err := r.target(m.Target)
		if err == nil {
			r.mount(imagecall.Mount{Target: target, Tmpfs: true, Size: m.SizeLimit, ReadOnly: m.ReadOnly})
		}
		return err
	case instructions.MountTypeSecret:
		return r.addSecret(m)
	case instructions.MountTypeSSH:
		return r.addAgent(m)
	}
	return fmt.Errorf("unsupported mount type %q", m.Type)
}

// mount adds one, in place of an earlier one at the same target.
func (r *resolver) mount(m imagecall.Mount) {
	r.mounts = slices.DeleteFunc(r.mounts, func(o imagecall.Mount) bool { return o.Target == m.Target })
	r.mounts = append(r.mounts, m)
}

// target is where a mount goes.
func (r *resolver) target(t string) (string, error) {
	out := t
	if !path.IsAbs(t) {
		out = path.Join("/", r.p.Cwd, t)
	}
	if out = path.Clean(out); out == "/" {
		return "", fmt.Errorf("invalid mount target %q: nothing can be mounted on /", t)
	}
	return out, nil
}

// bind shows files of a stage, an image or a context. What is written to them is
// thrown away.
func (r *resolver) bind(m *instructions.Mount) error {
	target, err := r.target(m.Target)
	if err != nil {
		return err
	}
	layers, err := r.layers(m.From)
	if err != nil {
		return err
	}
	sub := path.Join("/", m.Source)
	if sub == "/" {
		sub = ""
	}
	r.mount(imagecall.Mount{Target: target, Layers: layers, Subpath: sub, ReadOnly: m.ReadOnly})
	return nil
}

func (r *resolver) layers(from string) ([]string, error) {
	if r.p.Layers == nil {
		return nil, errors.New("there is nothing to mount from")
	}
	layers, err := r.p.Layers(from)
	if err != nil || len(layers) > 0 {
		return layers, err
	}
	// Of scratch.
	dir, err := r.inMemory()
	if err != nil {
		return nil, err
	}
	return []string{dir}, os.Mkdir(dir, 0o755)
}

// inMemory names a new file that only root and the step see.
func (r *resolver) inMemory() (path string, err error) {
	if r.place == nil {
		if r.place, err = memory.New(r.p.Roots); err != nil {
			return "", err
		}
	}
	r.files++
	return filepath.Join(r.place.Dir, strconv.Itoa(r.files)), nil
}

// number is an owner or a mode, or what it is where the instruction says nothing.
func number(n *uint64, without int) int {
	if n == nil {
		return without
	}
	return int(*n)
}
