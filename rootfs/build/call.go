package build

import (
	"errors"
	"fmt"
	"maps"
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
	if what == callCheck {
		return res, b.answerCheck(rec, err)
	}
	if err != nil {
		return res, b.explain(err)
	}
	switch what {
	case callOutline:
		plans, err := b.plans(rec)
		if err != nil {
			return res, b.explain(err)
		}
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

func (b *Builder) answerCheck(rec *recipe.Recipe, err error) error {
	c := call.Check{Name: b.inputs.dockerfileName, Source: b.inputs.dockerfile, Err: err}
	if err == nil {
		c.Warnings, c.Err = rec.Check(b.baseHere)
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

// baseHere is what is known of a base without fetching it.
func (b *Builder) baseHere(st *recipe.Stage) (recipe.Base, error) {
	if st.Base != recipe.BaseImage {
		return recipe.Base{Config: recipe.Empty()}, nil
	}
	img, _, err := b.Images.Lookup(st.BaseName)
	if err != nil || !fits(img, st.Platform) {
		return recipe.Base{}, nil
	}
	r, err := startFrom(img)
	if err != nil {
		return recipe.Base{}, err
	}
	return recipe.Base{Config: r.config, Author: r.author, Platform: r.actual()}, nil
}

// plans are those of all stages that are needed.
func (b *Builder) plans(rec *recipe.Recipe) (map[int]*recipe.Plan, error) {
	plans := map[int]*recipe.Plan{}
	for _, i := range rec.Wanted() {
		var base recipe.Base
		o := recipe.PlanOptions{}
		switch st := rec.Stages[i]; st.Base {
		case recipe.BaseStage:
			o.Base = plans[st.BaseAt]
			base.Config = o.Base.Config
		case recipe.BaseImage, recipe.BaseContext:
			var err error
			if base, err = b.baseHere(st); err != nil {
				return nil, err
			}
			o.Author, o.Actual = base.Author, base.Platform
		}
		p, err := rec.Plan(i, base.Config, o)
		if err != nil {
			return nil, err
		}
		plans[i] = p
	}
	return plans, nil
}

// warn says at the end of a build what the checks found.
func (s *solver) warn() error {
	all := slices.Clone(s.recipe.Warnings)
	var list []*recipe.Plan
	for _, i := range slices.Sorted(maps.Keys(s.stages)) {
		if p := s.stages[i].plan; p != nil {
			list, all = append(list, p), append(all, p.Warnings...)
		}
	}
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
