package build

import (
	"fmt"
	"strings"

	"golang.org/x/term"

	"skiff/rootfs/build/progress"
	"skiff/rootfs/build/recipe"
)

type vertical = progress.Vertical

func (b *Builder) displayOptions() progress.Options {
	o := progress.Options{Mode: b.opt.Progress, Tags: b.opt.Tags}
	if b.Err != nil {
		o.Out, o.Terminal = b.Err, term.IsTerminal(int(b.Err.Fd()))
	}
	if b.Out != nil {
		o.Stdout = b.Out
	}
	return o
}

// vertexOf is how a step is shown, with the platform where several are built.
func (s *solver) vertexOf(st *stage, step *recipe.Step) progress.Vertex {
	return s.vertexAt(st, step.Line, step.Title, s.recipe.Label(st.plan, step))
}

// vertexOfBase is how FROM is shown.
func (s *solver) vertexOfBase(st *stage) progress.Vertex {
	return s.vertexAt(st, 1, "FROM "+st.BaseName, s.recipe.BaseLabel(st.plan, st.BaseName))
}

func (s *solver) vertexAt(st *stage, line int, title, label string) progress.Vertex {
	if s.several {
		label = "[" + recipe.FormatPlatform(s.target) + " " + strings.TrimPrefix(label, "[")
	}
	return progress.Vertex{
		ID: key("vertex", recipe.FormatPlatform(s.target), fmt.Sprint(st.Index, line), title), Name: label,
		Step: &progress.Step{Stage: st.order, Stages: s.known, Number: line, Total: st.plan.Lines, Title: title},
	}
}
