package build

import (
	"context"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/fetch"
	"skiff/rootfs/build/place"
	"skiff/rootfs/build/recipe"
	"skiff/rootfs/build/source"
)

// fetchOptions are those for what a build gets from the network, with what the
// user has given for it: BuildKit's secrets for git, and the agent for SSH.
func (in *inputs) fetchOptions() fetch.Options {
	o := fetch.Options{Scratch: in.b.scratch}
	for _, s := range in.b.opt.Secrets {
		value := os.Getenv(s.Env)
		if s.File != "" {
			data, err := os.ReadFile(s.File)
			if err != nil {
				continue // a step that wants it says so
			}
			value = string(data)
		}
		switch s.ID {
		case "GIT_AUTH_TOKEN":
			o.AuthToken = strings.TrimSpace(value)
		case "GIT_AUTH_HEADER":
			o.AuthHeader = strings.TrimSpace(value)
		}
	}
	for _, a := range in.b.opt.SSH {
		if a.ID == "default" && len(a.Paths) == 0 {
			o.SSHAgent = os.Getenv("SSH_AUTH_SOCK")
		}
	}
	return o
}

// remote is something that ADD gets from the network.
type remote struct {
	*fetch.Source
	name   string
	unpack bool
}

// remote looks what a source of ADD is: nil for a path.
func (s *solver) remote(src string, c *recipe.Copy) (*remote, error) {
	if !c.Add || c.From != "" || c.FromStage >= 0 {
		return nil, nil
	}
	o := s.inputs.fetchOptions()
	o.KeepGitDir = c.KeepGitDir
	if strings.Contains(src, ":") || strings.HasPrefix(src, "git@") {
		o.Checksum = c.Checksum
	}
	if o.Checksum == "" && !s.opt.NoCache {
		d := s.cache.Download(src)
		o.Known = fetch.Copy{Digest: digest.Digest(d.Digest), ETag: d.ETag, LastModified: d.LastModified}
	}
	got, err := fetch.Parse(src, false, o)
	if got == nil || err != nil {
		return nil, err
	}
	s.later(got.Close)
	return &remote{Source: got, name: src, unpack: c.Unpack != nil && *c.Unpack}, nil
}

// remember keeps what was got, so that the next build need only ask for something
// newer.
func (s *solver) remember(r *remote) error {
	got, ok := r.Got()
	if !ok {
		return nil
	}
	return s.cache.Downloaded(r.name, cache.Download{Digest: got.Digest.String(), ETag: got.ETag, LastModified: got.LastModified})
}

// item gets the files.
func (r *remote) item(ctx context.Context) (place.Item, error) {
	t, names, err := r.Open(ctx)
	return place.Item{Tree: t, Selection: source.Selection{Sources: names}, Unpack: r.unpack && !r.IsGit()}, err
}
