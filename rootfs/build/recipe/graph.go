package recipe

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/util/suggest"
)

// target finds the stage of --target: by name in any case, or by number.
func (r *Recipe) target() error {
	r.Result = len(r.Stages) - 1
	want := r.opts.TargetStage
	if want == "" {
		return nil
	}
	at, ok := r.stageNamed(want, len(r.Stages))
	if !ok {
		at, ok = r.stageNumber(want)
	}
	if !ok {
		var names []string
		for _, s := range r.Stages {
			names = append(names, r.StageName(s.Index))
		}
		err := suggest.WrapError(fmt.Errorf("there is no stage %q to be the target", want), want, names, true)
		return r.failure(err, nil, "")
	}
	r.Result = at
	return nil
}

func (r *Recipe) stageNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n < len(r.Stages)
}

// graph fills in what each stage needs and refuses circles.
func (r *Recipe) graph() error {
	later := map[int]error{} // stages that take files from later ones
	for _, s := range r.Stages {
		if s.Base == BaseStage {
			s.need(s.BaseAt)
		}
		for _, c := range append(r.inheritedTriggers(s), s.Commands...) {
			needs, err := r.takesFrom(c)
			if err != nil {
				return r.failure(err, c.Location(), c.Name())
			}
			for _, n := range needs {
				if n >= s.Index && later[s.Index] == nil {
					later[s.Index] = r.errorf(c.Location(), "%s takes files from stage %q, which must be defined before stage %q",
						knownName(c.Name()), r.stageTitle(n), r.stageTitle(s.Index))
				}
				s.need(n)
			}
		}
	}
	if err := r.circle(); err != nil {
		return err
	}
	for _, i := range r.Wanted() {
		if err := later[i]; err != nil {
			return err
		}
		s := r.Stages[i]
		if s.Base == BaseImage {
			if err := r.checkReference(s.BaseName, s.Location, "FROM"); err != nil {
				return err
			}
		}
	}
	return nil
}

// stageTitle is a stage's name or number.
func (r *Recipe) stageTitle(i int) string {
	if n := r.Stages[i].Name; n != "" {
		return n
	}
	return strconv.Itoa(i)
}

func (s *Stage) need(stage int) {
	if !slices.Contains(s.Needs, stage) {
		s.Needs = append(s.Needs, stage)
		slices.Sort(s.Needs)
	}
}

// inheritedTriggers are the ONBUILD instructions of the stage that s begins with.
// A mistake in one is reported when it is planned.
func (r *Recipe) inheritedTriggers(s *Stage) []instructions.Command {
	if s.Base != BaseStage {
		return nil
	}
	var out []instructions.Command
	for _, c := range r.Stages[s.BaseAt].Commands {
		if on, ok := c.(*instructions.OnbuildCommand); ok {
			if n, err := triggerNode(on.Expression, s.Location); err == nil {
				if t, err := instructions.ParseCommand(n); err == nil {
					out = append(out, t)
				}
			}
		}
	}
	return out
}

// takesFrom are the stages that an instruction takes files from.
func (r *Recipe) takesFrom(c instructions.Command) ([]int, error) {
	switch c := c.(type) {
	case *instructions.CopyCommand:
		o, err := r.origin(c.From, c.Location(), "COPY")
		if err != nil || o.Stage < 0 {
			return nil, err
		}
		return []int{o.Stage}, nil
	case *instructions.RunCommand:
		var out []int
		for _, m := range instructions.GetMounts(c) {
			o, err := r.origin(m.From, c.Location(), "RUN")
			if err != nil {
				return nil, err
			}
			if o.Stage >= 0 {
				out = append(out, o.Stage)
			}
		}
		return out, nil
	}
	return nil, nil
}

// origin finds out what COPY --from or RUN --mount=from= names. Stages come
// first; a number is one of a stage. Whether an image's name is one is not
// looked at for a stage that nobody wants, see checkOrigin.
func (r *Recipe) origin(from string, at []parser.Range, instruction string) (Origin, error) {
	o := Origin{Stage: -1}
	if from == "" {
		return o, nil
	}
	if instruction == "COPY" {
		res, err := expand(shell.NewLex(r.escape), from, none())
		if err != nil {
			return o, err
		}
		if res.Result != from {
			return o, r.errorf(at, "COPY --from=%s: variables are not expanded here; give the base a name with FROM … AS", from)
		}
	}
	if i, ok := r.stageNamed(from, len(r.Stages)); ok {
		o.Stage = i
		return o, nil
	}
	if n, err := strconv.Atoi(from); err == nil {
		i, ok := r.stageNumber(from)
		if !ok {
			return o, r.errorf(at, "%s from stage %d: there are the stages 0 to %d", instruction, n, len(r.Stages)-1)
		}
		o.Stage = i
		return o, nil
	}
	if name, ok := r.context(from, r.opts.Target); ok {
		o.Context = name
		return o, nil
	}
	o.Image = from
	return o, nil
}

// circle refuses stages that need each other.
func (r *Recipe) circle() error {
	state := make([]int, len(r.Stages)) // 1 being looked at, 2 done
	var visit func(i int) int
	visit = func(i int) int {
		state[i] = 1
		for _, n := range r.Stages[i].Needs {
			if state[n] == 1 {
				return n
			}
			if state[n] == 0 {
				if at := visit(n); at >= 0 {
					return at
				}
			}
		}
		state[i] = 2
		return -1
	}
	for i := range r.Stages {
		if state[i] == 0 {
			if at := visit(i); at >= 0 {
				return r.errorf(r.Stages[at].Location, "stage %q needs itself, by way of what it copies from: a circle", r.stageTitle(at))
			}
		}
	}
	return nil
}

// Wanted are the indexes of the stages that the result needs, in order, with the
// result. ONBUILD instructions of base images may want more: Plan.Needs.
func (r *Recipe) Wanted() []int {
	seen := map[int]bool{}
	var visit func(i int)
	visit = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true
		for _, n := range r.Stages[i].Needs {
			visit(n)
		}
	}
	visit(r.Result)
	var out []int
	for i := range r.Stages {
		if seen[i] {
			out = append(out, i)
		}
	}
	return out
}
