package registry

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/sysregistriesv2"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
)

const (
	searchLimit = 25
	searchMost  = 100
	shortText   = 44 // length of a description that is cut
)

// Search looks for repositories whose name contains the term, at the term's own
// registry, or at those that registries.conf searches. With ListTags it lists
// a repository's tags.
func (s *Session) Search(ctx context.Context) ([]imagecall.SearchResult, error) {
	filter, err := parseSearchFilters(s.Req.Filters)
	if err != nil {
		return nil, err
	}
	if s.Req.Limit < 0 || s.Req.Limit > searchMost {
		return nil, fmt.Errorf("limit %d is outside the range of [1, %d]", s.Req.Limit, searchMost)
	}
	term := strings.TrimPrefix(s.Req.Term, "docker://")
	if s.Req.ListTags {
		return s.listTags(ctx, term)
	}
	registries := []string{}
	if host, rest, ok := strings.Cut(term, "/"); ok && strings.ContainsAny(host, ".:") || host == "localhost" {
		registries, term = []string{host}, rest
	} else if !ok && strings.ContainsAny(host, ":") {
		registries, term = []string{host}, ""
	}
	if len(registries) == 0 {
		if registries, err = sysregistriesv2.UnqualifiedSearchRegistries(&s.sys); err != nil {
			return nil, fmt.Errorf("cannot read registries.conf: %s", oneLine(err.Error()))
		}
	}
	if len(registries) == 0 {
		registries = []string{"docker.io"}
	}
	return s.searchAll(ctx, registries, term, filter)
}

// searchAll asks one registry after the other. One that fails matters only if
// no other answers.
func (s *Session) searchAll(ctx context.Context, registries []string, term string, filter searchFilter) ([]imagecall.SearchResult, error) {
	var results []imagecall.SearchResult
	var failed error
	answered := false
	for _, registry := range registries {
		found, err := s.searchOne(ctx, registry, term, filter)
		if err != nil {
			failed = fmt.Errorf("couldn't search registry %q: %w", registry, err)
			continue
		}
		answered = true
		results = append(results, found...)
	}
	if !answered && failed != nil {
		return nil, &Failed{"search", s.Req.Term, failed}
	}
	return results, nil
}

func (s *Session) searchOne(ctx context.Context, registry, term string, filter searchFilter) ([]imagecall.SearchResult, error) {
	limit := s.Req.Limit
	if limit == 0 {
		limit = searchLimit
	}
	found, err := docker.SearchRegistry(ctx, s.contextFor(ctx, registry), registry, term, limit)
	if err != nil {
		return nil, err
	}
	index := registry
	if parts := strings.Split(registry, "."); len(parts) > 2 && !isLoopback(registry) {
		index = strings.Join(parts[len(parts)-2:], ".")
	}
	var results []imagecall.SearchResult
	for _, f := range found {
		if len(results) == limit {
			break
		}
		if !filter.match(f) {
			continue
		}
		name := f.Name
		if registry == "docker.io" && !strings.Contains(name, "/") {
			name = "library/" + name
		}
		text := strings.Join(strings.Fields(f.Description), " ")
		if runes := []rune(text); !s.Req.NoTrunc && len(runes) > shortText {
			text = string(runes[:shortText]) + "..."
		}
		results = append(results, imagecall.SearchResult{
			Index: index, Name: registry + "/" + oneLine(name), Description: oneLine(text),
			Stars: f.StarCount, Official: f.IsOfficial, Automated: f.IsAutomated,
		})
	}
	return results, nil
}

// listTags lists the tags of one repository.
func (s *Session) listTags(ctx context.Context, term string) ([]imagecall.SearchResult, error) {
	names, err := s.candidates(term)
	if err != nil {
		return nil, err
	}
	limit := s.Req.Limit
	if limit == 0 {
		limit = searchLimit
	}
	var failed error
	for _, name := range names {
		tags, repository, err := s.tags(ctx, name)
		if err != nil {
			failed = &Failed{"list the tags of", term, err}
			continue
		}
		results := make([]imagecall.SearchResult, 0, len(tags))
		for _, tag := range tags[:min(limit, len(tags))] {
			r, err := layer.ParseReference(repository)
			if err != nil {
				return nil, err
			}
			results = append(results, imagecall.SearchResult{Index: r.Domain, Name: repository, Tag: tag, Tags: tags})
		}
		return results, nil
	}
	return nil, failed
}

// searchFilter is what Request.Filters ask for: stars=N, is-automated[=BOOL],
// is-official[=BOOL]. Docker: search --filter.
type searchFilter struct {
	stars               int
	official, automated *bool
}

func parseSearchFilters(filters []string) (searchFilter, error) {
	var f searchFilter
	for _, text := range filters {
		key, value, given := strings.Cut(text, "=")
		switch key {
		case "stars":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return f, fmt.Errorf("incorrect value type for stars filter: %q", value)
			}
			f.stars = n
		case "is-official", "is-automated":
			b := true
			if given && value != "" {
				var err error
				if b, err = strconv.ParseBool(value); err != nil {
					return f, fmt.Errorf("incorrect value type for %s filter: %q", key, value)
				}
			}
			if key == "is-official" {
				f.official = &b
			} else {
				f.automated = &b
			}
		default:
			return f, fmt.Errorf("invalid search filter %q: use stars, is-official or is-automated", text)
		}
	}
	return f, nil
}

func (f searchFilter) match(r docker.SearchResult) bool {
	return r.StarCount >= f.stars &&
		(f.official == nil || *f.official == r.IsOfficial) &&
		(f.automated == nil || *f.automated == r.IsAutomated)
}
