package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"skiff/rootfs/build/call"
	"skiff/rootfs/build/recipe"
	"skiff/rootfs/imagecall"
)

// What Build.Call may be.
const (
	callCheck   = "check"
	callOutline = "outline"
	callTargets = "targets"
)

// ErrChecks says that --check has found something; what, is printed.
var ErrChecks = errors.New("the checks of the Dockerfile found mistakes")

// call answers what builds nothing: --check, --call=outline, --call=targets. Base
// images that are not here are not fetched for it: what their configuration would
// have brought is not known then.
func (b *Builder) call() (res imagecall.Result, err error) {
	rec, err := recipe.Parse(b.inputs.dockerfile, b.recipeOptions(b.host))
	what := b.opt.Call
	if b.opt.Check {
		what = callCheck
	}
	var plans map[int]*recipe.Plan
	if err == nil && what != callTargets {
		plans, err = b.plans(rec)
	}
	if what == callCheck {
		return res, b.answerCheck(rec, plans, err)
	}
	if err != nil {
		return res, b.explain(err)
	}
	switch what {
	case callOutline:
		o := rec.Outline(plans)
		if b.opt.CallJSON {
			return res, call.OutlineJSON(b.Out, o, b.inputs.dockerfile)
		}
		return res, call.Outline(b.Out, o)
	case callTargets:
		if b.opt.CallJSON {
			return res, call.TargetsJSON(b.Out, rec.Targets(), b.inputs.dockerfile)
		}
		return res, call.Targets(b.Out, rec.Targets())
	}
	return res, fmt.Errorf("unknown call %q: use check, outline or targets", what)
}

func (b *Builder) answerCheck(rec *recipe.Recipe, plans map[int]*recipe.Plan, err error) error {
	c := call.Check{Name: b.inputs.dockerfileName, Source: b.inputs.dockerfile, Err: err}
	if rec != nil {
		c.Warnings = warnings(rec, plans)
	}
	write := c.Text
	if b.opt.CallJSON {
		write = c.JSON
	}
	if err := write(b.Out); err != nil {
		return err
	}
	if !c.OK() {
		return ErrChecks
	}
	return nil
}

// plans are those of all stages that are needed.
func (b *Builder) plans(rec *recipe.Recipe) (map[int]*recipe.Plan, error) {
	plans := map[int]*recipe.Plan{}
	for _, i := range rec.Wanted() {
		st := rec.Stages[i]
		var config recipe.Config
		o := recipe.PlanOptions{}
		switch st.Base {
		case recipe.BaseStage:
			if o.Base = plans[st.BaseAt]; o.Base != nil {
				config, o.Author = o.Base.Config, o.Base.Author
			}
		case recipe.BaseImage:
			if img, _, err := b.Images.Lookup(st.BaseName); err == nil && fits(img, st.Platform) {
				r, err := startFrom(img)
				if err != nil {
					return nil, err
				}
				config, o.Author, o.Actual = r.config, r.author, r.actual()
			}
		}
		p, err := rec.Plan(i, config, o)
		if err != nil {
			return plans, err
		}
		plans[i] = p
	}
	return plans, nil
}

// warnings are those of a Dockerfile and of its stages.
func warnings(rec *recipe.Recipe, plans map[int]*recipe.Plan) []recipe.Warning {
	list := slices.Clone(rec.Warnings)
	for _, p := range plans {
		list = append(list, p.Warnings...)
	}
	return list
}

// warn says at the end of a build what the checks found.
func (s *solver) warn() error {
	plans := map[int]*recipe.Plan{}
	var list []*recipe.Plan
	for i, st := range s.stages {
		if st.out != nil && st.out.plan != nil {
			plans[i] = st.out.plan
			list = append(list, st.out.plan)
		}
	}
	all := warnings(s.recipe, plans)
	if err := s.recipe.CheckError(all); err != nil {
		return err
	}
	text := recipe.UnusedArgsWarning(s.recipe.UnusedArgs(list)) + "\n" + call.Summary(all)
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) != "" {
			s.display.Warn(line)
		}
	}
	return nil
}
