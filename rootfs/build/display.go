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

// vertexOf is how a step is shown.
func (s *solver) vertexOf(st *stage, step *recipe.Step) progress.Vertex {
	return s.vertexAt(st, step.Number, step.Total, step.Title)
}

func (s *solver) vertexAt(st *stage, number, total int, title string) progress.Vertex {
	return progress.Vertex{
		ID:   key("vertex", recipe.FormatPlatform(s.target), fmt.Sprint(st.Index, number), title),
		Name: s.prefix(st, number, total) + " " + title,
		Step: &progress.Step{Stage: st.order, Stages: s.known, Number: number, Total: total, Title: title},
	}
}

// prefix is such as "[build 2/5]", with the platform where several are built.
func (s *solver) prefix(st *stage, number, total int) string {
	var words []string
	if s.several {
		words = append(words, recipe.FormatPlatform(s.target))
	}
	if len(s.recipe.Stages) > 1 {
		words = append(words, s.recipe.StageName(st.Index))
	}
	return "[" + strings.Join(append(words, fmt.Sprintf("%d/%d", number, total)), " ") + "]"
}
