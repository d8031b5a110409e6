package recipe

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Parse reads a Dockerfile. All stages are looked at, the bases of only those
// that the result needs.
func Parse(source []byte, o Options) (*Recipe, error) {
	if o.Name == "" {
		o.Name = "Dockerfile"
	}
	o.platforms()
	r := &Recipe{Name: o.Name, Source: source, private: private{opts: o}}
	ast, err := r.syntax()
	if err != nil {
		return nil, err
	}
	var found collector
	lint := found.linter(r.check)
	for _, w := range ast.Warnings {
		if w.URL == linter.RuleNoEmptyContinuation.URL && w.Location != nil {
			rule := linter.RuleNoEmptyContinuation
			lint.Run(&rule, []parser.Range{*w.Location}, rule.Format())
		}
	}
	stages, meta, err := r.instructions(ast.AST.Children, lint)
	if err != nil {
		return nil, err
	}
	checkStageNames(stages, lint)
	checkCasing(stages, lint)
	if err := r.arguments(stages, meta, lint); err != nil {
		return nil, err
	}
	for i := range stages {
		if err := r.stage(stages[i], lint); err != nil {
			return nil, err
		}
	}
	if err := r.target(); err != nil {
		return nil, err
	}
	if err := r.graph(); err != nil {
		return nil, err
	}
	r.Warnings = found.warnings
	return r, nil
}

// syntax parses the file and what its directives say.
func (r *Recipe) syntax() (*parser.Result, error) {
	switch {
	case len(bytes.TrimSpace(r.Source)) == 0:
		return nil, r.errorf(nil, "the file is empty: it needs at least a FROM instruction")
	case len(r.Source) > maxSource:
		return nil, r.errorf(nil, "the file is larger than %d MiB", maxSource>>20)
	case bytes.IndexByte(r.Source, 0) >= 0:
		return nil, r.errorf(nil, "the file has zero bytes in it: it is not a text")
	}
	options, ok := r.opts.Args["BUILDKIT_DOCKERFILE_CHECK"]
	if !ok {
		options, _, _, _ = parser.ParseDirective("check", r.Source)
	}
	check, err := linter.ParseLintOptions(options)
	if err != nil {
		return nil, r.errorf(nil, "check options %q: %v", options, err)
	}
	r.check = *check
	ast, err := parser.Parse(bytes.NewReader(r.Source))
	if err != nil {
		return nil, r.failure(err, nil, "")
	}
	if n := len(ast.AST.Children); n > maxInstructions {
		return nil, r.errorf(nil, "the file has %d instructions; at most %d are allowed", n, maxInstructions)
	}
	r.escape = ast.EscapeToken
	return ast, nil
}

// instructions are those of each stage, and the ARGs before the first.
func (r *Recipe) instructions(nodes []*parser.Node, lint *linter.Linter) (stages []*instructions.Stage, meta []*instructions.ArgCommand, err error) {
	for _, n := range nodes {
		parsed, err := instructions.ParseInstructionWithLinter(n, lint)
		if err != nil {
			return nil, nil, r.failure(err, n.Location(), knownName(n.Value))
		}
		switch c := parsed.(type) {
		case *instructions.Stage:
			stages = append(stages, c)
			r.nodes = append(r.nodes, nil)
			continue
		case *instructions.ArgCommand:
			if len(stages) == 0 {
				meta = append(meta, c)
				continue
			}
		}
		c, ok := parsed.(instructions.Command)
		if !ok || len(stages) == 0 {
			return nil, nil, r.errorf(n.Location(), "%s before the first FROM: only ARG may be there", strings.ToUpper(n.Value))
		}
		stages[len(stages)-1].AddCommand(c)
		last := len(r.nodes) - 1
		r.nodes[last] = append(r.nodes[last], n)
	}
	if len(stages) == 0 {
		return nil, nil, r.errorf(nil, "there is no FROM instruction, so no stage to build")
	}
	return stages, meta, nil
}

// knownName is an instruction's name for messages, empty for what is none: such
// a message has it already.
func knownName(name string) string {
	switch strings.ToUpper(name) {
	case "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
		"MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR":
		return strings.ToUpper(name)
	}
	return ""
}

// epoch reads SOURCE_DATE_EPOCH.
func (r *Recipe) epoch() error {
	text, ok := r.opts.Args["SOURCE_DATE_EPOCH"]
	if !ok {
		text, _ = r.globals.Get("SOURCE_DATE_EPOCH")
	}
	if text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return r.errorf(nil, "SOURCE_DATE_EPOCH is %q: want a number of seconds since 1970", text)
	}
	if err != nil || n < 0 {
		return r.errorf(nil, "SOURCE_DATE_EPOCH is %s: out of range", text)
	}
	r.Epoch = &n
	return nil
}
