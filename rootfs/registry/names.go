package registry

import (
	"fmt"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/layer"
)

// candidates are the full names that a reference may mean at registries, in the
// order in which to try them. A short name means its alias in registries.conf,
// else itself at each of the unqualified-search registries, else at Docker
// Hub. Nobody is asked, whatever the short-name-mode.
func (s *Session) candidates(ref string) ([]string, error) {
	r, err := layer.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	if r.Domain != "" {
		return []string{r.Complete().String()}, nil
	}
	if full, err := s.alias(r); full != "" || err != nil {
		return []string{full}, err
	}
	mode := types.ShortNameModeDisabled
	s.sys.ShortNameMode = &mode
	registries, err := sysregistriesv2.UnqualifiedSearchRegistries(&s.sys)
	if err != nil {
		return nil, fmt.Errorf("cannot read registries.conf: %w", err)
	}
	if len(registries) == 0 {
		full, err := layer.Normalize(ref)
		return []string{full}, err
	}
	var names []string
	for _, registry := range registries {
		full, err := layer.Normalize(r.In(registry).String())
		if err != nil {
			return nil, fmt.Errorf("unqualified-search registry %q: %w", registry, err)
		}
		names = append(names, full)
	}
	return names, nil
}

func (s *Session) alias(r layer.Reference) (string, error) {
	value, _, err := sysregistriesv2.ResolveShortNameAlias(&s.sys, r.Path)
	if err != nil {
		return "", fmt.Errorf("cannot read the short-name aliases: %w", err)
	}
	if value == nil {
		return "", nil
	}
	a, err := layer.ParseReference(reference.TrimNamed(value).String())
	if err != nil {
		return "", err
	}
	a.Tag, a.Digest = r.Tag, r.Digest
	return a.Complete().String(), nil
}
