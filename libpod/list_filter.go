package libpod

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"skiff/rootfs/layer"
	"skiff/state"
)

// containerFilter makes one predicate of the filters of ps, prune and the
// commands that choose by --filter. anyState says that a filter asks for
// containers whatever their state, as a status filter does.
func (e *Engine) containerFilter(filters []Filter) (match predicate[Container], anyState bool, err error) {
	for _, f := range filters {
		anyState = anyState || f.Key == "status" || f.Key == "exited"
	}
	match, err = combine(filters, func(f Filter) (predicate[Container], error) {
		if f.Key == "pod" || f.Key == "is-task" {
			return membership(f)
		}
		for _, group := range []func(Filter) (predicate[Container], error){e.identityFilter, e.stateFilter, e.orderFilter, resourceFilter} {
			if p, err := group(f); p != nil || err != nil {
				return p, err
			}
		}
		return nil, unknownFilter(f)
	})
	return match, anyState, err
}

// membership: skiff has neither pods nor swarm tasks, so nothing is part of one.
func membership(f Filter) (predicate[Container], error) {
	if f.Key == "pod" {
		return func(Container) bool { return false }, nil
	}
	want, err := strconv.ParseBool(f.Value)
	if err != nil {
		return nil, badFilter(f, "want true or false")
	}
	return func(Container) bool { return !want }, nil
}

// identityFilter: id, name, label, annotation, ancestor, command.
func (e *Engine) identityFilter(f Filter) (predicate[Container], error) {
	switch f.Key {
	case "id":
		if v := strings.ToLower(f.Value); v != "" && len(v) <= 64 && strings.Trim(v, "0123456789abcdef") == "" {
			return func(c Container) bool { return strings.HasPrefix(c.Config.ID, v) }, nil
		}
		return onPattern(f, func(c Container) string { return c.Config.ID }, true)
	case "name":
		f.Value = strings.Replace(f.Value, "^/", "^", 1)
		f.Value = strings.TrimPrefix(f.Value, "/")
		return onPattern(f, func(c Container) string { return c.Config.Name }, false)
	case "command":
		return onPattern(f, func(c Container) string { return strings.Join(c.Config.Process.Args(), " ") }, false)
	case "label":
		return func(c Container) bool { return matchLabel(c.Config.Labels, f.Value) }, nil
	case "annotation":
		return func(c Container) bool { return matchLabel(c.Config.Annotations, f.Value) }, nil
	case "ancestor":
		return e.ancestorFilter(f.Value), nil
	}
	return nil, nil
}

func onPattern(f Filter, text func(Container) string, fold bool) (predicate[Container], error) {
	pattern := f.Value
	if fold {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, badFilter(f, "want a regular expression")
	}
	return func(c Container) bool { return re.MatchString(text(c)) }, nil
}

// ancestorFilter matches containers made from an image, or from one that has
// all of its layers below its own. An image that is gone still matches by name.
func (e *Engine) ancestorFilter(ref string) predicate[Container] {
	img, _, err := e.Images.LookupImage(ref, layer.ThisPlatform())
	if err != nil {
		return func(c Container) bool {
			hex := strings.TrimPrefix(ref, "sha256:")
			return sameImageName(c.Config.Image.Name, ref) || len(hex) >= 4 && strings.HasPrefix(c.Config.Image.ID, hex)
		}
	}
	descends := map[string]bool{img.ID: true}
	return func(c Container) bool {
		id := c.Config.Image.ID
		known, ok := descends[id]
		if !ok {
			other, err := e.Images.Load(id)
			known = err == nil && descendsFrom(other, img)
			descends[id] = known
		}
		return known
	}
}

func descendsFrom(img, from *state.Image) bool {
	n := len(from.DiffIDs)
	return n > 0 && len(img.DiffIDs) > n && slices.Equal(img.DiffIDs[:n], from.DiffIDs)
}

// sameImageName reports whether ref, perhaps short and without tag, can mean
// the full name.
func sameImageName(full, ref string) bool {
	if strings.LastIndexByte(ref, ':') <= strings.LastIndexByte(ref, '/') && !strings.Contains(ref, "@") {
		if i := strings.LastIndexByte(full, ':'); i > strings.LastIndexByte(full, '/') {
			full = full[:i]
		}
	}
	return full == ref || strings.HasSuffix(full, "/"+ref)
}

// stateFilter: status, exited, health, restart-policy, should-start-on-boot.
func (e *Engine) stateFilter(f Filter) (predicate[Container], error) {
	switch f.Key {
	case "status":
		if f.Value == "stopping" {
			return func(c Container) bool { return c.Status.Stopping }, nil
		}
		phases, ok := phasesOf(f.Value)
		if !ok {
			return nil, badFilter(f, "want created, running, paused, restarting, removing, exited or dead")
		}
		return func(c Container) bool { return slices.Contains(phases, c.Status.Phase) }, nil
	case "exited":
		code, err := strconv.Atoi(f.Value)
		if err != nil {
			return nil, badFilter(f, "want a number")
		}
		return func(c Container) bool { return c.Status.Phase == state.Exited && c.Status.ExitCode == code }, nil
	case "health":
		switch f.Value {
		case "none", "starting", "healthy", "unhealthy":
		default:
			return nil, badFilter(f, "want starting, healthy, unhealthy or none")
		}
		return func(c Container) bool { return c.HealthWord() == f.Value }, nil
	case "restart-policy":
		if !slices.Contains([]string{"none", state.RestartNo, state.RestartOnFailure, state.RestartAlways, state.RestartUnlessStopped}, f.Value) {
			return nil, state.Errorf(state.ErrInvalid, "%s invalid restart policy", f.Value)
		}
		return func(c Container) bool { return restartName(c.Config.Restart) == f.Value }, nil
	case "should-start-on-boot":
		want, err := strconv.ParseBool(f.Value)
		if err != nil {
			return nil, badFilter(f, "want true or false")
		}
		return func(c Container) bool { return want == e.startsAtBoot(c) }, nil
	}
	return nil, nil
}

func restartName(r state.RestartPolicy) string {
	if r.Name == "" {
		return state.RestartNo
	}
	return r.Name
}

// phasesOf says what a status filter means: Docker's words and Podman's.
func phasesOf(word string) ([]state.Phase, bool) {
	switch word {
	case "created", "configured":
		return []state.Phase{state.Created}, true
	case "running":
		return []state.Phase{state.Running}, true
	case "paused":
		return []state.Phase{state.Paused}, true
	case "restarting":
		return []state.Phase{state.Restarting}, true
	case "removing":
		return []state.Phase{state.Removing}, true
	case "exited", "stopped":
		return []state.Phase{state.Exited}, true
	case "dead":
		return []state.Phase{state.Dead}, true
	case "initialized":
		return []state.Phase{state.Initialized}, true
	case "unknown":
		return nil, true // a container of skiff's is never that
	}
	return nil, false
}

// orderFilter: before, since, until.
func (e *Engine) orderFilter(f Filter) (predicate[Container], error) {
	switch f.Key {
	case "before", "since":
		id, err := e.Store.Find(f.Value)
		if err != nil {
			return nil, err
		}
		cfg, err := e.Store.Load(id)
		if err != nil {
			return nil, err
		}
		if f.Key == "before" {
			return func(c Container) bool { return c.Config.Created.Before(cfg.Created) }, nil
		}
		return func(c Container) bool { return c.Config.Created.After(cfg.Created) }, nil
	case "until":
		t, err := ParseMoment(f.Value, time.Now())
		if err != nil {
			return nil, err
		}
		return func(c Container) bool { return c.Config.Created.Before(t) }, nil
	}
	return nil, nil
}

// resourceFilter: volume, network, publish, expose.
func resourceFilter(f Filter) (predicate[Container], error) {
	switch f.Key {
	case "volume":
		return func(c Container) bool {
			return slices.ContainsFunc(c.Config.Mounts, func(m state.Mount) bool {
				return m.Source == f.Value || m.Target == f.Value
			})
		}, nil
	case "network":
		return func(c Container) bool {
			return slices.Contains(NetworkNames(c.Config), f.Value)
		}, nil
	case "publish", "expose":
		first, last, proto, ok := parsePortRange(f.Value)
		if !ok {
			return nil, badFilter(f, "want PORT[-PORT][/PROTOCOL]")
		}
		in := func(port uint16, p string) bool { return port >= first && port <= last && p == proto }
		return func(c Container) bool {
			for _, p := range published(c) {
				port := p.HostPort
				if f.Key == "expose" {
					port = p.ContainerPort
				}
				if in(port, p.Protocol) {
					return true
				}
			}
			return f.Key == "expose" && slices.ContainsFunc(c.Config.Network.Expose, func(s string) bool {
				lo, hi, p, ok := parsePortRange(s)
				return ok && p == proto && lo <= last && hi >= first
			})
		}, nil
	}
	return nil, nil
}

func published(c Container) []state.Port {
	if c.Status.Phase.Active() {
		return c.Status.Network.Ports
	}
	return c.Config.Network.Ports
}

func parsePortRange(s string) (first, last uint16, proto string, ok bool) {
	ports, proto, found := strings.Cut(s, "/")
	if !found {
		proto = "tcp"
	}
	a, b, span := strings.Cut(ports, "-")
	lo, err := strconv.ParseUint(a, 10, 16)
	if err != nil {
		return 0, 0, "", false
	}
	hi := lo
	if span {
		if hi, err = strconv.ParseUint(b, 10, 16); err != nil || hi < lo {
			return 0, 0, "", false
		}
	}
	return uint16(lo), uint16(hi), proto, true
}

// NetworkNames are the names of a container's networks; a mode that is no
// network of its own (host, none, container:ID, pasta) is its only one.
func NetworkNames(cfg *state.Config) []string {
	if cfg.Network.Mode != state.ModeBridge {
		return []string{cfg.Network.Mode}
	}
	names := make([]string, 0, len(cfg.Network.Endpoints))
	for _, ep := range cfg.Network.Endpoints {
		names = append(names, ep.Network)
	}
	return names
}
