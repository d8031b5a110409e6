package recipe

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// Key describes all of a step that has an effect on files, the same in each
// build: lines, titles and comments are not in it. For a COPY or ADD it has no
// word on where the files come from, except for remote ones: their digests are
// for the caller to add, as are those of mounted files. It is empty for a
// StepConfig, which changes no files.
func (s *Step) Key() []byte {
	var v any
	switch s.Kind {
	case StepRun:
		v = s.Run.key()
	case StepCopy:
		v = s.Copy.key()
	case StepWorkdir:
		v = map[string]any{"op": "workdir", "dir": text(s.Dir), "user": text(s.User)}
	default:
		return nil
	}
	b, err := json.Marshal(v) // sorts the names of a map
	if err != nil {
		panic("internal error: " + err.Error()) // strings, numbers and booleans only
	}
	return b
}

// text is a string in which no two differ in the same way: JSON would write all
// bytes that are no UTF-8 as one.
func text(s string) string {
	q := strconv.QuoteToASCII(s)
	return q[1 : len(q)-1]
}

func texts(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, text(s))
	}
	return out
}

func (r *Run) key() map[string]any {
	env := make([]string, 0, len(r.Env))
	for _, kv := range r.Env {
		name, _ := cutVariable(kv)
		if !slices.Contains(r.Uncached, name) {
			env = append(env, text(kv))
		}
	}
	slices.Sort(env) // programs do not see the order
	m := map[string]any{"op": "run", "args": texts(r.Args), "env": env, "cwd": text(r.Cwd), "user": text(r.User)}
	if r.Network != "" && r.Network != instructions.NetworkDefault {
		m["network"] = r.Network
	}
	if r.Insecure {
		m["insecure"] = true
	}
	var devices, mounts, files []any
	for _, d := range r.Devices {
		devices = append(devices, []any{text(d.Name), d.Required})
	}
	for _, mt := range r.Mounts {
		mounts = append(mounts, mountKey(mt))
	}
	for _, f := range r.Files {
		files = append(files, []string{text(f.Name), text(f.Data)})
	}
	for name, list := range map[string][]any{"devices": devices, "mounts": mounts, "files": files} {
		if len(list) > 0 {
			m[name] = list
		}
	}
	return m
}

func mountKey(mt *instructions.Mount) map[string]any {
	m := map[string]any{"type": string(mt.Type), "target": text(mt.Target), "readonly": mt.ReadOnly}
	if mt.Source != "" {
		m["source"] = text(mt.Source)
	}
	if mt.From != "" && mt.Type == instructions.MountTypeCache {
		m["from"] = true // what is there is the caller's to add
	}
	if mt.CacheID != "" {
		m["id"] = text(mt.CacheID)
	}
	if mt.SizeLimit != 0 {
		m["size"] = mt.SizeLimit
	}
	if mt.CacheSharing != "" {
		m["sharing"] = string(mt.CacheSharing)
	}
	if mt.Required {
		m["required"] = true
	}
	if mt.Env != nil {
		m["env"] = text(*mt.Env)
	}
	for name, n := range map[string]*uint64{"mode": mt.Mode, "uid": mt.UID, "gid": mt.GID} {
		if n != nil {
			m[name] = *n
		}
	}
	return m
}

func (c *Copy) key() map[string]any {
	dest := absolute(c.Cwd, c.Dest)
	if c.Dest == "" || c.Dest == "." || strings.HasSuffix(c.Dest, "/") || strings.HasSuffix(c.Dest, "/.") {
		dest = strings.TrimSuffix(dest, "/") + "/"
	}
	m := map[string]any{"op": "copy", "add": c.Add, "sources": texts(c.Sources), "dest": text(dest),
		"chown": text(c.Chown), "chmod": text(c.Chmod), "link": c.Link, "parents": c.Parents, "excludes": texts(c.Excludes)}
	var files [][]string
	for _, f := range c.Contents {
		files = append(files, []string{text(f.Path), text(f.Data)})
	}
	if len(files) > 0 {
		m["files"] = files
	}
	if c.Add {
		m["checksum"], m["keepGitDir"] = text(c.Checksum), c.KeepGitDir
		if c.Unpack != nil {
			m["unpack"] = *c.Unpack
		}
	}
	return m
}
