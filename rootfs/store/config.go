package store

import (
	"sort"
	"strings"
	"time"

	"skiff/state"
)

// imageConfig is an image's configuration in the OCI's form with Docker's
// additions (comment, Healthcheck, Shell, OnBuild). OCI image spec: config.md.
type imageConfig struct {
	Created      time.Time `json:"created"`
	Author       string    `json:"author"`
	Comment      string    `json:"comment"`
	OS           string    `json:"os"`
	Architecture string    `json:"architecture"`
	Variant      string    `json:"variant"`
	Config       struct {
		User         string              `json:"User"`
		Env          []string            `json:"Env"`
		Entrypoint   []string            `json:"Entrypoint"`
		Cmd          []string            `json:"Cmd"`
		WorkingDir   string              `json:"WorkingDir"`
		Labels       map[string]string   `json:"Labels"`
		ExposedPorts map[string]struct{} `json:"ExposedPorts"`
		Volumes      map[string]struct{} `json:"Volumes"`
		StopSignal   string              `json:"StopSignal"`
		Shell        []string            `json:"Shell"`
		OnBuild      []string            `json:"OnBuild"`
		Healthcheck  *healthcheck        `json:"Healthcheck"`
	} `json:"config"`
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []struct {
		Created    time.Time `json:"created"`
		CreatedBy  string    `json:"created_by"`
		Author     string    `json:"author"`
		Comment    string    `json:"comment"`
		EmptyLayer bool      `json:"empty_layer"`
	} `json:"history"`
}

type healthcheck struct {
	Test          []string      `json:"Test"`
	Interval      time.Duration `json:"Interval"`
	Timeout       time.Duration `json:"Timeout"`
	StartPeriod   time.Duration `json:"StartPeriod"`
	StartInterval time.Duration `json:"StartInterval"`
	Retries       int           `json:"Retries"`
}

func (c *imageConfig) fill(rec *state.Image, mime string) {
	rec.Created, rec.Author, rec.Comment = c.Created, c.Author, c.Comment
	rec.OS, rec.Architecture, rec.Variant = c.OS, c.Architecture, c.Variant
	rec.DiffIDs = c.RootFS.DiffIDs
	if rec.Comment == "" && strings.Contains(mime, "oci") && len(c.History) > 0 {
		rec.Comment = c.History[0].Comment // the OCI's form has no place of its own
	}
	rec.Config = state.ImageConfig{
		User:         c.Config.User,
		Env:          c.Config.Env,
		Entrypoint:   c.Config.Entrypoint,
		Cmd:          c.Config.Cmd,
		WorkingDir:   c.Config.WorkingDir,
		Labels:       c.Config.Labels,
		ExposedPorts: sortedKeys(c.Config.ExposedPorts),
		Volumes:      sortedKeys(c.Config.Volumes),
		StopSignal:   c.Config.StopSignal,
		Shell:        c.Config.Shell,
		OnBuild:      c.Config.OnBuild,
		Healthcheck:  c.Config.Healthcheck.state(),
	}
	for _, h := range c.History {
		rec.History = append(rec.History, state.ImageHistory{
			Created: h.Created, CreatedBy: h.CreatedBy, Author: h.Author, Comment: h.Comment, EmptyLayer: h.EmptyLayer,
		})
	}
}

func sortedKeys(m map[string]struct{}) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (h *healthcheck) state() *state.Healthcheck {
	if h == nil || len(h.Test) == 0 {
		return nil
	}
	return &state.Healthcheck{
		Test: h.Test, Interval: h.Interval, Timeout: h.Timeout,
		StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}
}
