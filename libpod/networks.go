package libpod

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"skiff/state"
	"skiff/state/event"
)

// predefinedNetworks exist from the start and cannot be removed.
func (e *Engine) predefinedNetworks() []state.NetworkRecord {
	m := e.Networks()
	return []state.NetworkRecord{
		m.Predefined(state.DefaultNetwork, "bridge"), m.Predefined(state.ModeHost, "host"), m.Predefined(state.ModeNone, "null"),
	}
}

func isPredefined(name string) bool {
	return name == state.DefaultNetwork || name == state.ModeHost || name == state.ModeNone
}

// NetworkList gives the networks that match the filters, sorted by name. Those
// that cannot be read are in the error.
func (e *Engine) NetworkList(filters []Filter) ([]state.NetworkRecord, error) {
	match, err := e.networkFilter(filters)
	if err != nil {
		return nil, err
	}
	all, unreadable := e.Networks().Networks()
	for _, p := range e.predefinedNetworks() {
		if !slices.ContainsFunc(all, func(r state.NetworkRecord) bool { return r.Name == p.Name }) {
			all = append(all, p)
		}
	}
	all = slices.DeleteFunc(all, func(r state.NetworkRecord) bool { return !match(r) })
	slices.SortFunc(all, func(a, b state.NetworkRecord) int { return strings.Compare(a.Name, b.Name) })
	return all, unreadable
}

// networkFilter: name, id, driver, label, scope, type, dangling, until.
func (e *Engine) networkFilter(filters []Filter) (predicate[state.NetworkRecord], error) {
	return combine(filters, func(f Filter) (predicate[state.NetworkRecord], error) {
		switch f.Key {
		case "name":
			re, err := regexp.Compile(f.Value)
			if err != nil {
				return nil, badFilter(f, "want a regular expression")
			}
			return func(r state.NetworkRecord) bool { return re.MatchString(r.Name) }, nil
		case "id":
			return func(r state.NetworkRecord) bool { return strings.HasPrefix(r.ID, f.Value) }, nil
		case "driver":
			return func(r state.NetworkRecord) bool { return r.Driver == f.Value }, nil
		case "label":
			return func(r state.NetworkRecord) bool { return matchLabel(r.Labels, f.Value) }, nil
		case "scope":
			return func(state.NetworkRecord) bool { return f.Value == "local" }, nil
		case "type":
			if f.Value != "builtin" && f.Value != "custom" {
				return nil, badFilter(f, "want builtin or custom")
			}
			return func(r state.NetworkRecord) bool { return isPredefined(r.Name) == (f.Value == "builtin") }, nil
		case "dangling":
			return e.danglingNetworks(f)
		case "until":
			until, err := ParseMoment(f.Value, time.Now())
			if err != nil {
				return nil, badFilter(f, "want a time or how long ago")
			}
			return func(r state.NetworkRecord) bool { return r.Created.Before(until) }, nil
		}
		return nil, unknownFilter(f)
	})
}

func (e *Engine) danglingNetworks(f Filter) (predicate[state.NetworkRecord], error) {
	if f.Value != "true" && f.Value != "false" {
		return nil, badFilter(f, "want true or false")
	}
	users, err := e.networkUsers(false)
	if err != nil {
		return nil, err
	}
	return func(r state.NetworkRecord) bool {
		return (len(users[r.Name]) == 0 && !isPredefined(r.Name)) == (f.Value == "true")
	}, nil
}

// networkUsers gives the names of the containers that are to join each network,
// whether they run or not, unless those alone count that do.
func (e *Engine) networkUsers(active bool) (map[string][]string, error) {
	all, err := e.containers()
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, c := range all {
		if active && !c.Status.Phase.Active() {
			continue
		}
		for _, ep := range c.Config.Network.Endpoints {
			users[ep.Network] = append(users[ep.Network], c.Config.Name)
		}
	}
	return users, nil
}

// NetworkRemove removes a network of the user's that no container is to join, or
// that none is in where active says that the others do not count (Docker's rule:
// they cannot be started then).
func (e *Engine) NetworkRemove(ref string, active bool) error {
	r, _, err := e.NetworkInspect(ref)
	if err != nil {
		return err
	}
	if isPredefined(r.Name) {
		return state.Errorf(state.ErrInvalid, "cannot remove network %q: it is pre-defined", r.Name)
	}
	users, err := e.networkUsers(active)
	if err != nil {
		return err
	}
	if u := users[r.Name]; len(u) > 0 {
		return state.Errorf(state.ErrInUse, "cannot remove network %q: it is used by container %s", r.Name, strings.Join(u, ", "))
	}
	return e.removeNetwork(r)
}

func (e *Engine) removeNetwork(r state.NetworkRecord) error {
	err := e.Networks().RemoveRecord(r.Name)
	if err == nil {
		e.noteNetwork(r, event.Remove)
	}
	return err
}

// NetworkPrune removes the networks of the user's that match and that no
// container is to join, and gives their names. What is left on the host of
// networks that nobody is in goes, too.
func (e *Engine) NetworkPrune(filters []Filter) (removed []string, err error) {
	for _, f := range filters {
		if f.Key != "label" && f.Key != "until" {
			return nil, unknownFilter(f)
		}
	}
	all, unreadable := e.NetworkList(filters)
	users, err := e.networkUsers(false)
	if err != nil {
		return nil, err
	}
	errs := []error{unreadable}
	for _, r := range all {
		if isPredefined(r.Name) || len(users[r.Name]) > 0 {
			continue
		}
		if err := e.removeNetwork(r); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, r.Name)
	}
	e.notePruned(event.Network, "0")
	return removed, errors.Join(append(errs, e.CollectNetworks())...)
}

// CollectNetworks takes down the bridges and rules of networks that no
// container is in any more.
func (e *Engine) CollectNetworks() error {
	if e.Rootless() {
		return nil // an ordinary user has none
	}
	return e.Networks().Collect()
}

// NetworkReload puts the firewall rules of running containers in place again,
// after somebody flushed or reloaded the firewall. Podman: network reload.
func (e *Engine) NetworkReload() error {
	if e.Rootless() {
		return nil
	}
	return e.Networks().Reload()
}
