package recipe

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// DefaultPath is PATH in an image that sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Empty is the configuration that a stage without a base image begins with:
// FROM scratch, or a context that is no image.
func Empty() Config {
	var c Config
	c.WorkingDir = "/"
	c.Env = []string{"PATH=" + DefaultPath}
	return c
}

// planner plans one stage.
type planner struct {
	r     *Recipe
	stage *Stage
	plan  *Plan
	cfg   *Config
	// envAt are the places of variables in cfg.Env.
	envAt map[string]int
	lex   *shell.Lex
	base  *linter.Linter // of the stage
	lint  *linter.Linter // of the instruction
	found collector
	left  int // of maxPlan
	// envList is what RUN gets, nil if a variable has changed since.
	envList []string
	onBuild bool

	entrypoint, cmd, healthcheck used
}

// Plan says what a stage's instructions do, given the configuration of its base:
// that of its base image, or of the plan of its base's stage.
func (r *Recipe) Plan(stage int, base Config, o PlanOptions) (*Plan, error) {
	p := r.planner(stage, base, o)
	s := p.stage
	commands, err := p.commands(base.OnBuild)
	if err != nil {
		return nil, err
	}
	if err := p.begin(o); err != nil {
		return nil, r.failure(err, s.Location, "FROM")
	}
	for i, c := range commands {
		p.onBuild = i < len(commands)-len(r.nodes[stage])
		p.lint = p.base.WithMergedConfigFromComments(c.Comments())
		at := c.Location()
		if p.onBuild {
			at = s.Location
		}
		if err := p.instruction(c); err != nil {
			return nil, atStep(r.failure(err, at, knownName(c.Name())), c)
		}
	}
	if stage == r.Result {
		p.result()
	}
	p.number()
	p.plan.Config = *p.cfg
	p.plan.Warnings = p.found.warnings
	return p.plan, nil
}

func (r *Recipe) planner(stage int, base Config, o PlanOptions) *planner {
	s := r.Stages[stage]
	p := &planner{r: r, stage: s, lex: shell.NewLex(r.escape), left: maxPlan}
	p.plan = &Plan{Stage: stage, Author: o.Author}
	p.base = p.found.linter(r.check)
	p.lint = p.base
	if s.Base == BaseScratch {
		base = Empty()
	}
	cfg := cloneConfig(base)
	cfg.OnBuild = nil // they were for this stage
	if s.Base != BaseStage {
		for _, l := range r.opts.UnsetLabels {
			delete(cfg.Labels, l)
		}
	}
	p.cfg = &cfg
	p.plan.env = newEnviron()
	p.plan.outline = newOutline()
	if o.Base != nil {
		p.plan.Author = o.Base.Author
		p.plan.env = o.Base.env.clone()
		p.plan.args = slices.Clone(o.Base.args)
		p.plan.workdirSet = o.Base.workdirSet
		p.plan.outline = o.Base.outline.clone()
	}
	for k := range r.uses[stage] {
		p.plan.outline.used[k] = true
	}
	return p
}

// begin sets up what the base leaves.
func (p *planner) begin(o PlanOptions) error {
	p.envAt = map[string]int{}
	for i, kv := range p.cfg.Env {
		name, _ := cutVariable(kv)
		if _, ok := p.envAt[name]; !ok {
			p.envAt[name] = i
		}
	}
	if _, ok := p.envAt["PATH"]; !ok {
		p.envAt["PATH"] = len(p.cfg.Env)
		p.cfg.Env = append(p.cfg.Env, "PATH="+DefaultPath)
	}
	for _, kv := range p.cfg.Env {
		name, value := cutVariable(kv)
		if err := p.setVariable(name, value); err != nil {
			return err
		}
	}
	if p.cfg.WorkingDir != "" {
		p.cfg.WorkingDir = absolute("/", p.cfg.WorkingDir)
	}
	if o.Actual != nil && p.stage.Base == BaseImage {
		checkBasePlatform(p.stage, *o.Actual, p.lint)
	}
	return nil
}

// absolute joins a path to a directory.
func absolute(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join("/", dir, name)
}

// commands are the base's triggers and then the stage's own instructions, parsed
// anew, because expansion changes them.
func (p *planner) commands(triggers []string) ([]instructions.Command, error) {
	out, err := p.triggers(triggers)
	if err != nil {
		return nil, err
	}
	for _, n := range p.r.nodes[p.stage.Index] {
		c, err := instructions.ParseInstructionWithLinter(n, silent())
		if err != nil {
			return nil, p.r.failure(err, n.Location(), knownName(n.Value))
		}
		out = append(out, c.(instructions.Command))
	}
	return out, nil
}

// word expands a word of an instruction and notes variables that are not there.
func (p *planner) word(c instructions.Command, word string) (string, error) {
	res, err := expand(p.lex, word, p.plan.env)
	if err == nil {
		err = p.spend(len(res.Result))
	}
	p.checkUndefined(c, res.Unmatched)
	return res.Result, err
}

// document expands a here-document, in which quotes mean nothing.
func (p *planner) document(c instructions.Command, text string) (string, error) {
	lex := shell.NewLex('\\')
	lex.SkipProcessQuotes = true
	res, err := expand(lex, text, p.plan.env)
	if err == nil {
		err = p.spend(len(res.Result))
	}
	p.checkUndefined(c, res.Unmatched)
	return res.Result, err
}

// spend counts what the plan keeps.
func (p *planner) spend(n int) error {
	if p.left -= n; p.left < 0 {
		return errPlanTooBig
	}
	return nil
}

// setVariable sets what later instructions and programs see.
func (p *planner) setVariable(name, value string) error {
	p.plan.env.set(name, value)
	p.envList = nil
	if p.plan.env.size > maxEnviron {
		return errEnvTooLarge
	}
	return p.spend(len(name) + len(value) + 32)
}

// instruction expands and does one.
func (p *planner) instruction(c instructions.Command) error {
	_, isArg := c.(*instructions.ArgCommand) // ARG may throw its default away
	if ex, ok := c.(instructions.SupportsSingleWordExpansion); ok && !isArg {
		if err := ex.Expand(func(w string) (string, error) { return p.word(c, w) }); err != nil {
			return err
		}
	}
	if ex, ok := c.(instructions.SupportsSingleWordExpansionRaw); ok {
		if err := ex.ExpandRaw(func(t string) (string, error) { return p.document(c, t) }); err != nil {
			return err
		}
	}
	switch c := c.(type) {
	case *instructions.RunCommand:
		return p.run(c)
	case *instructions.CopyCommand:
		return p.copyFiles(c)
	case *instructions.AddCommand:
		return p.addFiles(c)
	case *instructions.WorkdirCommand:
		return p.workdir(c)
	case *instructions.ArgCommand:
		return p.arg(c)
	}
	return p.configure(c)
}

// step adds a step.
func (p *planner) step(c instructions.Command, s Step) error {
	if p.onBuild {
		s.OnBuild = true
		s.Title = "ONBUILD " + s.Title
		s.Location = p.stage.Location
	} else {
		s.Location = atLeastOne(c.Location())
	}
	s.Title = visible(s.Title)
	p.plan.Steps = append(p.plan.Steps, &s)
	return p.spend(len(s.Title) + len(s.CreatedBy) + 256)
}

// config adds a step that changes the configuration only.
func (p *planner) config(c instructions.Command, createdBy string) error {
	return p.step(c, Step{Kind: StepConfig, Title: createdBy, CreatedBy: createdBy})
}

// result makes the changes of --label, --env and --unsetenv.
func (p *planner) result() {
	o := p.r.opts
	if len(o.Labels) > 0 && p.cfg.Labels == nil {
		p.cfg.Labels = map[string]string{}
	}
	maps.Copy(p.cfg.Labels, o.Labels)
	for _, kv := range o.Env {
		name, value := cutVariable(kv)
		p.setConfigEnv(name, value)
	}
	p.cfg.Env = slices.DeleteFunc(p.cfg.Env, func(kv string) bool {
		name, _ := cutVariable(kv)
		return slices.Contains(o.UnsetEnv, name)
	})
}

// number counts the instructions, and those of them that do something.
func (p *planner) number() {
	n := 0
	if p.stage.Base == BaseImage || p.stage.Base == BaseContext {
		n = 1
	}
	for i, s := range p.plan.Steps {
		s.Line = i + 2
		if s.Kind != StepConfig {
			n++
			s.Number = n
		}
	}
	p.plan.Total, p.plan.Lines = n, len(p.plan.Steps)+1
	for _, s := range p.plan.Steps {
		if s.Kind != StepConfig {
			s.Total = n
		}
	}
}

// Label is a step's line in a display of progress: "[build 2/5] RUN make".
func (r *Recipe) Label(p *Plan, s *Step) string {
	return r.label(p, s.Number, s.Title)
}

// BaseLabel is the line of FROM.
func (r *Recipe) BaseLabel(p *Plan, reference string) string {
	return r.label(p, 1, "FROM "+reference)
}

func (r *Recipe) label(p *Plan, n int, text string) string {
	stage := r.StageName(p.Stage)
	if stage != "" {
		stage += " "
	}
	width := len(fmt.Sprint(p.Total))
	return fmt.Sprintf("[%s%*d/%d] %s", stage, width, n, p.Total, text)
}

// CheckError is the error that "# check=error=true" makes of warnings.
func (r *Recipe) CheckError(warnings []Warning) error {
	if !r.check.ReturnAsError || len(warnings) == 0 {
		return nil
	}
	rules := map[string]bool{}
	for _, w := range warnings {
		rules[w.Rule] = true
	}
	names := slices.Sorted(maps.Keys(rules))
	return r.errorf(warnings[0].Location, "build checks found %d mistakes, of %v, and check=error=true was asked for", len(warnings), names)
}

// triggerNode parses one ONBUILD instruction of a base.
func triggerNode(expression string, at []parser.Range) (*parser.Node, error) {
	ast, err := parseText(expression)
	if err != nil {
		return nil, err
	}
	if len(ast.Children) != 1 {
		return nil, errors.New("an ONBUILD instruction of the base is not one instruction")
	}
	n := ast.Children[0]
	n.StartLine, n.EndLine = bounds(at)
	switch knownName(n.Value) {
	case "FROM", "ONBUILD", "MAINTAINER":
		return nil, fmt.Errorf("an ONBUILD instruction of the base is %s, which is not allowed", knownName(n.Value))
	}
	return n, nil
}
