package recipe

import (
	"fmt"
	"maps"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/util/suggest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// stage adds the next stage to the recipe: what FROM says, expanded.
func (r *Recipe) stage(in *instructions.Stage, lint *linter.Linter) error {
	lint = lint.WithMergedConfigFromComments(in.Comments)
	s := &Stage{Index: len(r.Stages), Name: in.Name, Location: atLeastOne(in.Location), Commands: in.Commands, BaseAt: -1}
	r.docs = append(r.docs, in.DocComment)
	r.written = append(r.written, [2]string{in.BaseName, in.Platform})
	uses := map[string]bool{}
	r.uses = append(r.uses, uses)

	name, err := r.fromWord(in, in.BaseName, lint, uses)
	if err != nil {
		return r.failure(err, in.Location, "FROM")
	}
	if name.Result == "" {
		return r.errorf(in.Location, "FROM %s: the name of the base is empty", in.BaseName)
	}
	s.BaseName = name.Result
	s.Platform = r.opts.Target
	own, err := r.fromPlatform(in, lint, uses)
	if err != nil {
		return r.failure(err, in.Location, "FROM")
	}
	if own != nil {
		s.Platform = *own
	}
	r.base(s)
	r.Stages = append(r.Stages, s)
	return nil
}

// fromWord expands a word of a FROM, which sees only arguments before the first
// FROM.
func (r *Recipe) fromWord(in *instructions.Stage, word string, lint *linter.Linter, uses map[string]bool) (shell.ProcessWordResult, error) {
	res, err := expand(shell.NewLex(r.escape), word, r.globals)
	known := r.globals.Keys()
	for k := range r.declared {
		known = append(known, k)
	}
	checkFromArgs(known, res.Unmatched, in.Location, lint)
	for k := range res.Matched {
		uses[k] = true
	}
	return res, err
}

// fromPlatform is FROM --platform; nil if there is none.
func (r *Recipe) fromPlatform(in *instructions.Stage, lint *linter.Linter, uses map[string]bool) (*imgspec.Platform, error) {
	if in.Platform == "" {
		return nil, nil
	}
	res, err := r.fromWord(in, in.Platform, lint, uses)
	if err != nil {
		return nil, fmt.Errorf("--platform=%s: %w", in.Platform, err)
	}
	checkFromPlatform(in, res, r.globals, lint)
	if res.Result == "" {
		return nil, r.hinted(fmt.Errorf("--platform=%s is empty", in.Platform), res)
	}
	p, err := ParsePlatform(res.Result)
	if err != nil {
		return nil, r.hinted(fmt.Errorf("--platform=%s: %w", in.Platform, err), res)
	}
	return &p, nil
}

// hinted adds a guess which argument was meant.
func (r *Recipe) hinted(err error, res shell.ProcessWordResult) error {
	for k := range res.Unmatched {
		if ok, better := suggest.WrapErrorMaybe(err, k, r.globals.Keys(), true); ok {
			return better
		}
	}
	return err
}

// base finds out what a stage begins with.
func (r *Recipe) base(s *Stage) {
	if s.Name != "" && s.Name != "scratch" && s.Name != "context" {
		if name, ok := r.context(s.Name, s.Platform); ok {
			// A context takes the place of the whole stage.
			s.Base, s.BaseName = BaseContext, name
			s.Commands, r.nodes[s.Index] = nil, nil
			return
		}
	}
	if at, ok := r.stageNamed(s.BaseName, s.Index); ok {
		s.Base, s.BaseAt, s.Platform = BaseStage, at, r.Stages[at].Platform
		maps.Copy(r.uses[s.Index], r.uses[at])
		return
	}
	if s.BaseName == "scratch" {
		s.Base, s.Platform = BaseScratch, r.opts.Target
		return
	}
	if name, ok := r.context(s.BaseName, s.Platform); ok {
		s.Base, s.BaseName = BaseContext, name
	}
}

// stageNamed is the last stage before the given index with a name.
func (r *Recipe) stageNamed(name string, before int) (int, bool) {
	for i := min(before, len(r.Stages)) - 1; i >= 0; i-- {
		if n := r.Stages[i].Name; n != "" && strings.EqualFold(n, name) {
			return i, true
		}
	}
	return -1, false
}

// context finds the name of --build-context that stands for an image or stage:
// docker.io/library/alpine:latest is alpine, and may have a platform after "::".
func (r *Recipe) context(name string, p imgspec.Platform) (string, bool) {
	if len(r.opts.Contexts) == 0 {
		return "", false
	}
	short := name
	if ref, err := reference.ParseNormalizedNamed(name); err == nil {
		short = strings.TrimSuffix(reference.FamiliarString(ref), ":latest")
	}
	for _, n := range []string{short + "::" + FormatPlatform(NormalPlatform(p)), short, name} {
		if r.opts.Contexts[n] {
			return n, true
		}
	}
	return "", false
}

// StageName is what progress calls a stage: its name, or stage-N unless it is
// the only one.
func (r *Recipe) StageName(stage int) string {
	if n := r.Stages[stage].Name; n != "" {
		return n
	}
	if len(r.Stages) == 1 {
		return ""
	}
	return fmt.Sprintf("stage-%d", stage)
}

// checkReference refuses bases that can be no image.
func (r *Recipe) checkReference(name string, at []parser.Range, instruction string) error {
	if isHex64(strings.TrimPrefix(name, "sha256:")) {
		return nil // an image's ID
	}
	if _, err := reference.ParseNormalizedNamed(name); err != nil {
		names := make([]string, 0, len(r.Stages))
		for _, s := range r.Stages {
			if s.Name != "" {
				names = append(names, s.Name)
			}
		}
		err = suggest.WrapError(fmt.Errorf("%q is neither a stage nor the name of an image: %w", name, err), name, names, true)
		return r.failure(err, at, instruction)
	}
	return nil
}

func isHex64(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
