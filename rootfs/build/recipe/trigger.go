package recipe

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func parseText(text string) (*parser.Node, error) {
	if len(text) > maxSource || strings.IndexByte(text, 0) >= 0 {
		return nil, fmt.Errorf("an ONBUILD instruction of the base is no text")
	}
	res, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	return res.AST, nil
}

// triggers are the instructions that the base's ONBUILD ones put at the
// beginning of the stage.
func (p *planner) triggers(expressions []string) ([]instructions.Command, error) {
	if len(expressions) > maxInstructions {
		return nil, p.r.errorf(p.stage.Location, "the base has %d ONBUILD instructions; at most %d are allowed", len(expressions), maxInstructions)
	}
	if p.replaced() {
		return nil, nil
	}
	var out []instructions.Command
	for _, x := range expressions {
		c, err := p.trigger(x)
		if err != nil {
			var e *Error
			if errors.As(err, &e) {
				err = errors.New(e.Msg)
			}
			return nil, p.r.errorf(p.stage.Location, "ONBUILD %s: %w", firstLine(x), err)
		}
		out = append(out, c)
	}
	return out, nil
}

// replaced reports whether a context stands for the whole stage.
func (p *planner) replaced() bool {
	s := p.stage
	if s.Base != BaseContext || s.Name == "" {
		return false
	}
	name, ok := p.r.context(s.Name, s.Platform)
	return ok && name == s.BaseName && s.Name != "scratch" && s.Name != "context"
}

func (p *planner) trigger(expression string) (instructions.Command, error) {
	n, err := triggerNode(expression, p.stage.Location)
	if err != nil {
		return nil, err
	}
	c, err := instructions.ParseCommand(n)
	if err != nil {
		return nil, err
	}
	needs, err := p.r.takesFrom(c)
	if err != nil {
		return nil, err
	}
	for _, i := range needs {
		if i >= p.stage.Index {
			return nil, fmt.Errorf("it takes files from stage %q, which must be defined before stage %q",
				p.r.stageTitle(i), p.r.stageTitle(p.stage.Index))
		}
		if !slices.Contains(p.stage.Needs, i) && !slices.Contains(p.plan.Needs, i) {
			p.plan.Needs = append(p.plan.Needs, i)
		}
	}
	slices.Sort(p.plan.Needs)
	return c, nil
}

func firstLine(s string) string {
	line, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	if more {
		line += "..."
	}
	return line
}
