package recipe

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// outline is what a stage can be given.
type outline struct {
	args    map[string]*argument
	used    map[string]bool
	secrets []Given
	agents  []Given
}

// Given is something that a build takes from its caller.
type Given struct {
	Name string
	// Value is an argument's in force, Description the comment above it.
	Value, Description string
	// Required is a secret's or an agent's.
	Required bool
	Location []parser.Range
}

func newOutline() outline { return outline{args: map[string]*argument{}, used: map[string]bool{}} }

func (o *outline) secret(m *instructions.Mount, at []parser.Range) { note(&o.secrets, m, at) }
func (o *outline) agent(m *instructions.Mount, at []parser.Range)  { note(&o.agents, m, at) }

func note(list *[]Given, m *instructions.Mount, at []parser.Range) {
	if !slices.ContainsFunc(*list, func(g Given) bool { return g.Name == m.CacheID }) {
		*list = append(*list, Given{Name: m.CacheID, Required: m.Required, Location: at})
	}
}

// Outline is what --call=outline shows: the arguments, secrets and ssh agents of
// the result and of the stages that it needs.
type Outline struct {
	Name, Description  string
	Args, Secrets, SSH []Given
}

// Outline gathers it from the plans of all wanted stages, by index.
func (r *Recipe) Outline(plans map[int]*Plan) Outline {
	out := Outline{Name: r.Stages[r.Result].Name, Description: r.docs[r.Result]}
	args, secrets, agents := map[string]bool{}, map[string]bool{}, map[string]bool{}
	order := r.Wanted()
	slices.Reverse(order) // the result's own come before those of what it needs
	for _, i := range order {
		p := plans[i]
		if p == nil {
			continue
		}
		for _, a := range r.argumentsOf(p) {
			if !args[a.name] {
				args[a.name] = true
				out.Args = append(out.Args, Given{Name: a.name, Value: a.value, Description: a.doc, Location: a.location})
			}
		}
		out.Secrets = merge(out.Secrets, p.outline.secrets, secrets)
		out.SSH = merge(out.SSH, p.outline.agents, agents)
	}
	for _, list := range [][]Given{out.Args, out.Secrets, out.SSH} {
		slices.SortStableFunc(list, func(a, b Given) int {
			x, _ := bounds(a.Location)
			y, _ := bounds(b.Location)
			return x - y
		})
	}
	return out
}

func merge(list, more []Given, seen map[string]bool) []Given {
	for _, g := range more {
		if !seen[g.Name] {
			seen[g.Name] = true
			list = append(list, g)
		}
	}
	return list
}

// argumentsOf are the arguments that a stage uses and that a line declares, with
// those that their defaults use.
func (r *Recipe) argumentsOf(p *Plan) []*argument {
	find := func(name string) *argument {
		if a := p.outline.args[name]; a != nil {
			return a
		}
		return r.declared[name]
	}
	seen := map[string]bool{}
	var out []*argument
	var use func(name string)
	use = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		a := find(name)
		if a == nil {
			return
		}
		for k := range a.uses {
			use(k)
		}
		out = append(out, a)
	}
	for name := range p.outline.used {
		use(name)
	}
	slices.SortFunc(out, func(a, b *argument) int {
		x, _ := bounds(a.location)
		y, _ := bounds(b.location)
		if x != y {
			return x - y
		}
		return strings.Compare(a.name, b.name)
	})
	return out
}

// Target is a stage as --call=targets shows it.
type Target struct {
	Name, Description string
	Default           bool
	Base, Platform    string // as written
	Location          []parser.Range
}

// Targets are all stages.
func (r *Recipe) Targets() []Target {
	var out []Target
	for i, s := range r.Stages {
		out = append(out, Target{Name: s.Name, Description: r.docs[i], Default: i == len(r.Stages)-1,
			Base: r.written[i][0], Platform: r.written[i][1], Location: s.Location})
	}
	return out
}
