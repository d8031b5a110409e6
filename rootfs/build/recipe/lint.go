package recipe

import (
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/util/suggest"
	"github.com/moby/patternmatcher"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxWarnings bounds what is kept of a file that is nothing but mistakes.
const maxWarnings = 1000

// collector keeps warnings.
type collector struct{ warnings []Warning }

func (c *collector) linter(config linter.Config) *linter.Linter {
	config.Warn = func(rule, description, url, message string, at []parser.Range) {
		if len(c.warnings) < maxWarnings {
			c.warnings = append(c.warnings, Warning{Rule: rule, Description: description, URL: url,
				Message: visible(message), Location: atLeastOne(at)})
		}
	}
	return linter.New(&config)
}

// silent is a linter for what has been looked at before.
func silent() *linter.Linter { return linter.New(&linter.Config{}) }

// used remembers an instruction of which only the last counts.
type used struct {
	set bool
	at  []parser.Range
}

func (u *used) once(c instructions.Command, lint *linter.Linter) {
	if u.set {
		rule := linter.RuleMultipleInstructionsDisallowed
		lint.Run(&rule, u.at, rule.Format(c.Name()))
	}
	u.set, u.at = true, c.Location()
}

func checkStageNames(stages []*instructions.Stage, lint *linter.Linter) {
	seen := map[string]bool{}
	for _, s := range stages {
		if s.Name == "scratch" || s.Name == "context" {
			rule := linter.RuleReservedStageName
			lint.Run(&rule, s.Location, rule.Format(s.Name))
		}
		if s.Name != "" && seen[s.Name] {
			rule := linter.RuleDuplicateStageName
			lint.Run(&rule, s.Location, rule.Format(s.Name))
		}
		seen[s.Name] = true
	}
}

// checkCasing wants all instructions in the case that most of them have.
func checkCasing(stages []*instructions.Stage, lint *linter.Linter) {
	type named struct {
		name string
		at   []parser.Range
	}
	var all []named
	for _, s := range stages {
		all = append(all, named{s.OrigCmd, s.Location})
		for _, c := range s.Commands {
			all = append(all, named{c.Name(), c.Location()})
		}
	}
	balance := 0 // lower minus upper
	for _, n := range all {
		if n.name == strings.ToLower(n.name) {
			balance++
		} else if n.name == strings.ToUpper(n.name) {
			balance--
		}
	}
	want, convert := "uppercase", strings.ToUpper
	if balance > 0 {
		want, convert = "lowercase", strings.ToLower
	}
	for _, n := range all {
		if n.name != convert(n.name) {
			rule := linter.RuleConsistentInstructionCasing
			lint.Run(&rule, n.at, rule.Format(n.name, want))
		}
	}
}

// checkDefaultBases wants each base to be the name of an image also if nobody
// gives build arguments.
func checkDefaultBases(stages []*instructions.Stage, lex *shell.Lex, defaults *environ, lint *linter.Linter) {
	for _, s := range stages {
		res, err := expand(lex, s.BaseName, defaults)
		if err != nil {
			return // the same error comes again, as one
		}
		if _, err := reference.ParseNormalizedNamed(res.Result); err != nil {
			rule := linter.RuleInvalidDefaultArgInFrom
			lint.Run(&rule, s.Location, rule.Format(s.BaseName))
		}
	}
}

func checkFromArgs(known []string, unmatched map[string]struct{}, at []parser.Range, lint *linter.Linter) {
	for _, name := range sorted(unmatched) {
		if !slices.Contains(known, name) {
			rule := linter.RuleUndefinedArgInFrom
			lint.Run(&rule, at, rule.Format(name, guess(name, known)))
		}
	}
}

func checkFromPlatform(in *instructions.Stage, res shell.ProcessWordResult, globals *environ, lint *linter.Linter) {
	if len(res.Unmatched) > 0 {
		return
	}
	if _, ok := res.Matched["TARGETPLATFORM"]; ok && len(res.Matched) == 1 {
		if v, _ := globals.Get("TARGETPLATFORM"); v == res.Result {
			rule := linter.RuleRedundantTargetPlatform
			lint.Run(&rule, in.Location, rule.Format(in.Platform))
		}
	}
	if len(res.Matched) > 0 {
		return
	}
	p, err := ParsePlatform(res.Result)
	if err != nil || strings.Contains(in.Name, p.OS) || strings.Contains(in.Name, p.Architecture) {
		return // the name says that it is meant so
	}
	rule := linter.RuleFromPlatformFlagConstDisallowed
	lint.Run(&rule, in.Location, rule.Format(res.Result))
}

func checkBasePlatform(s *Stage, actual imgspec.Platform, lint *linter.Linter) {
	if s.Platform.OS == actual.OS && s.Platform.Architecture == actual.Architecture {
		return
	}
	rule := linter.RuleInvalidBaseImagePlatform
	lint.Run(&rule, s.Location, rule.Format(s.BaseName,
		FormatPlatform(NormalPlatform(s.Platform)), FormatPlatform(NormalPlatform(actual))))
}

// checkUndefined finds variables that are neither set nor arguments.
func (p *planner) checkUndefined(c instructions.Command, unmatched map[string]struct{}) {
	if len(unmatched) == 0 {
		return
	}
	declared := map[string]bool{}
	for _, kv := range p.plan.args {
		declared[kv.Key] = true
	}
	known := p.plan.env.Keys()
	for i, name := range sorted(unmatched) {
		if i == 100 {
			return
		}
		if !declared[name] && !scanArgument(name) {
			rule := linter.RuleUndefinedVar
			p.lint.Run(&rule, c.Location(), rule.Format(name, guess(name, known)))
		}
	}
}

func checkLegacy(c instructions.Command, lint *linter.Linter) {
	rule := linter.RuleLegacyKeyValueFormat
	lint.Run(&rule, c.Location(), rule.Format(c.Name()))
}

func checkShellForm(c instructions.Command, lint *linter.Linter) {
	rule := linter.RuleJSONArgsRecommended
	lint.Run(&rule, c.Location(), rule.Format(c.Name()))
}

func checkWorkdir(c *instructions.WorkdirCommand, lint *linter.Linter) {
	rule := linter.RuleWorkdirRelativePath
	lint.Run(&rule, c.Location(), rule.Format(c.Path))
}

func checkPort(c *instructions.ExposeCommand, word, protocol string, published bool, lint *linter.Linter) {
	if protocol != strings.ToLower(protocol) {
		rule := linter.RuleExposeProtoCasing
		lint.Run(&rule, c.Location(), rule.Format(word))
	}
	if published {
		rule := linter.RuleExposeInvalidFormat
		lint.Run(&rule, c.Location(), rule.Format(word))
	}
}

// checkSecret finds names of variables that sound as if they hold secrets.
func checkSecret(instruction, name string, at []parser.Range, lint *linter.Linter) {
	secret := []string{"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"}
	harmless := []string{"public", "file", "version"}
	found := false
	for _, word := range strings.Split(strings.ToLower(name), "_") {
		if slices.Contains(harmless, word) {
			return
		}
		found = found || slices.Contains(secret, word)
	}
	if found {
		rule := linter.RuleSecretsUsedInArgOrEnv
		lint.Run(&rule, at, rule.Format(instruction, name))
	}
}

// checkIgnored finds sources that the ignore file keeps out.
func (p *planner) checkIgnored(c instructions.Command, verb string, sources []string) {
	if p.r.opts.Ignored == nil {
		return
	}
	for _, s := range sources {
		if s = path.Clean(s); p.r.opts.Ignored(s) {
			rule := linter.RuleCopyIgnoredFile
			p.lint.Run(&rule, c.Location(), rule.Format(verb, s))
		}
	}
}

// IgnoredBy makes Options.Ignored of an ignore file's patterns. Where there are
// exceptions it says of nothing that it is ignored: that can only be known of
// files that are there. The root counts as ignored if everything in it is.
func IgnoredBy(patterns []string) (func(string) bool, error) {
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	if m.Exclusions() {
		return func(string) bool { return false }, nil
	}
	everything := slices.ContainsFunc(m.Patterns(), func(p *patternmatcher.Pattern) bool {
		return slices.Contains([]string{"*", "**", "**/*"}, p.String())
	})
	return func(name string) bool {
		if name = path.Clean(name); name == "." || name == "/" {
			return everything
		}
		ok, err := m.MatchesOrParentMatches(name)
		return err == nil && ok
	}, nil
}

func sorted(set map[string]struct{}) []string {
	out := make([]string, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// guess is the known name most like another.
func guess(name string, known []string) string {
	if len(known) > 1000 || len(name) > 100 {
		return ""
	}
	g, _ := suggest.Search(name, known, true)
	return g
}
