package recipe

import (
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// environ is a list of variables, in the order in which they were last set.
type environ struct {
	entries []variable
	at      map[string]int
	size    int // bytes of names and values
}

type variable struct {
	name, value string
	gone        bool // set again further down
}

func newEnviron() *environ { return &environ{at: map[string]int{}} }

func (e *environ) clone() *environ {
	return &environ{entries: slices.Clone(e.entries), at: maps.Clone(e.at), size: e.size}
}

func (e *environ) set(name, value string) {
	if i, ok := e.at[name]; ok {
		e.entries[i].gone = true
		e.size -= len(name) + len(e.entries[i].value)
	}
	e.at[name] = len(e.entries)
	e.entries = append(e.entries, variable{name: name, value: value})
	e.size += len(name) + len(value)
	if len(e.entries) > 2*len(e.at)+64 {
		e.compact()
	}
}

func (e *environ) compact() {
	e.entries = slices.DeleteFunc(e.entries, func(v variable) bool { return v.gone })
	for i, v := range e.entries {
		e.at[v.name] = i
	}
}

// Get and Keys make it a shell.EnvGetter.
func (e *environ) Get(name string) (string, bool) {
	i, ok := e.at[name]
	if !ok {
		return "", false
	}
	return e.entries[i].value, true
}

// Keys are the names, oldest first.
func (e *environ) Keys() []string {
	keys := make([]string, 0, len(e.at))
	for _, v := range e.entries {
		if !v.gone {
			keys = append(keys, v.name)
		}
	}
	return keys
}

// list is the environment of a program.
func (e *environ) list() []string {
	out := make([]string, 0, len(e.at))
	for _, v := range e.entries {
		if !v.gone {
			out = append(out, v.name+"="+v.value)
		}
	}
	return out
}

// none is an environment without variables.
func none() shell.EnvGetter { return newEnviron() }

// overlaid is an environment with some variables hidden by others.
type overlaid struct {
	shell.EnvGetter
	over map[string]string
}

func (o overlaid) Get(name string) (string, bool) {
	if v, ok := o.over[name]; ok {
		return v, true
	}
	return o.EnvGetter.Get(name)
}

// cutVariable is the name and the value of NAME=value.
func cutVariable(s string) (name, value string) {
	name, value, _ = strings.Cut(s, "=")
	return name, value
}
