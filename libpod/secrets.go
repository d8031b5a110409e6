package libpod

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"skiff/libpod/resolve"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// secretID is the length of a secret's id in hex digits.
const secretID = 25

// SecretCreate stores a secret and gives its id. With replace it takes the place
// of one that has the name.
func (e *Engine) SecretCreate(name string, data []byte, labels map[string]string, replace bool) (string, error) {
	if err := checkSecret(name, data); err != nil {
		return "", err
	}
	l, err := e.lockSecrets()
	if err != nil {
		return "", err
	}
	defer l.Release()
	if !replace && jsonfile.Exists(e.Roots.Secret(name)) {
		return "", state.Errorf(state.ErrExists, "%s: secret name in use", name)
	}
	s := state.Secret{
		Version: state.SecretVersion, ID: resolve.ID()[:secretID], Name: name, Created: time.Now().UTC(),
		Labels: labels, Data: data,
	}
	if err := jsonfile.Write(e.Roots.Secret(name), s, jsonfile.Durable); err != nil {
		return "", err
	}
	return s.ID, nil
}

func checkSecret(name string, data []byte) error {
	valid := name != "" && len(name) <= 200 && name[0] != '.' && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(",=/", r)
	})
	switch {
	case !valid:
		return state.Errorf(state.ErrInvalid, "invalid secret name %q: it must not begin with a dot, be longer than 200 bytes, or have blanks, \",\", \"=\" or \"/\" in it", name)
	case len(data) == 0:
		return state.Errorf(state.ErrInvalid, "cannot create secret %q: it is empty", name)
	case len(data) > state.MaxSecret:
		return state.Errorf(state.ErrInvalid, "cannot create secret %q: it is larger than %d bytes", name, state.MaxSecret)
	}
	return nil
}

func (e *Engine) lockSecrets() (*lock.Lock, error) {
	if err := os.MkdirAll(e.Roots.Secrets(), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory of secrets: %w", err)
	}
	return lock.Take(e.Roots.SecretsLock())
}

// SecretList gives all secrets by name; a record that cannot be read is in the
// error.
func (e *Engine) SecretList() ([]state.Secret, error) {
	entries, err := os.ReadDir(e.Roots.Secrets())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list secrets: %w", err)
	}
	var out []state.Secret
	var errs []error
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok || name == "" || name[0] == '.' {
			continue
		}
		var s state.Secret
		err := jsonfile.Read(e.Roots.Secret(name), &s)
		switch {
		case errors.Is(err, os.ErrNotExist): // removed meanwhile
		case err != nil:
			errs = append(errs, err)
		case s.Version > state.SecretVersion:
			errs = append(errs, fmt.Errorf("secret %s was stored by a newer skiff: %w", name, state.ErrVersion))
		default:
			out = append(out, s)
		}
	}
	return out, errors.Join(errs...)
}

// Secret finds a secret by its name, its id, or the beginning of that.
func (e *Engine) Secret(ref string) (state.Secret, error) {
	all, err := e.SecretList()
	var found []state.Secret
	for _, s := range all {
		if s.Name == ref || s.ID == ref {
			return s, nil
		}
		if ref != "" && strings.HasPrefix(s.ID, ref) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return state.Secret{}, state.Errorf(state.ErrAmbiguous, "more than one secret has an ID that begins with %q", ref)
	case err != nil:
		return state.Secret{}, err
	}
	return state.Secret{}, state.Errorf(state.ErrNotFound, "no such secret %q", ref)
}

// SecretRemove removes a secret and gives its id.
func (e *Engine) SecretRemove(ref string) (string, error) {
	l, err := e.lockSecrets()
	if err != nil {
		return "", err
	}
	defer l.Release()
	s, err := e.Secret(ref)
	if err != nil {
		return "", err
	}
	if err := os.Remove(e.Roots.Secret(s.Name)); err != nil {
		return "", fmt.Errorf("cannot remove secret %q: %w", s.Name, err)
	}
	return s.ID, nil
}

// SecretsMatching leaves the secrets for which all filters hold: id, name (the
// beginnings) and label.
func SecretsMatching(all []state.Secret, filters []Filter) ([]state.Secret, error) {
	match, err := combine(filters, func(f Filter) (predicate[state.Secret], error) {
		switch f.Key {
		case "id":
			return func(s state.Secret) bool { return strings.HasPrefix(s.ID, f.Value) }, nil
		case "name":
			return func(s state.Secret) bool { return strings.HasPrefix(s.Name, f.Value) }, nil
		case "label":
			key, want, given := strings.Cut(f.Value, "=")
			return func(s state.Secret) bool { v, has := s.Labels[key]; return has && (!given || v == want) }, nil
		}
		return nil, fmt.Errorf("invalid filter %q: want id, label or name", f.Key)
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s state.Secret) bool { return !match(s) }), nil
}
