package recipe

import (
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// argument is a build argument as --call=outline shows it.
type argument struct {
	name, value, doc string
	location         []parser.Range
	uses             map[string]bool // arguments in its default
}

// arguments evaluates the ARGs before the first FROM: r.globals.
func (r *Recipe) arguments(stages []*instructions.Stage, meta []*instructions.ArgCommand, lint *linter.Linter) error {
	target := r.opts.TargetStage
	if target == "" {
		target = stages[len(stages)-1].Name
	}
	predefined := r.predefined(target)
	lex := shell.NewLex(r.escape)
	if defaults, _, err := evaluate(lex, predefined.clone(), meta, nil); err == nil {
		checkDefaultBases(stages, lex, defaults, lint)
	}
	globals, declared, err := evaluate(lex, predefined, meta, r.opts.Args)
	if err != nil {
		return r.failure(err, nil, "ARG")
	}
	r.globals, r.declared = globals, declared
	return r.epoch()
}

// predefined are the arguments that need no ARG in a FROM.
func (r *Recipe) predefined(target string) *environ {
	if target == "" {
		target = "default"
	}
	env := newEnviron()
	add := func(name, value string) {
		if v, ok := r.opts.Args[name]; ok {
			value = v
		}
		env.set(name, value)
	}
	platform := func(prefix string, p imgspec.Platform) {
		add(prefix+"PLATFORM", FormatPlatform(p))
		add(prefix+"OS", p.OS)
		add(prefix+"OSVERSION", p.OSVersion)
		add(prefix+"ARCH", p.Architecture)
		add(prefix+"VARIANT", p.Variant)
	}
	platform("BUILD", r.opts.Build)
	platform("TARGET", r.opts.Target)
	add("TARGETSTAGE", target)
	return env
}

// evaluate adds ARGs to env, given is --build-arg.
func evaluate(lex *shell.Lex, env *environ, meta []*instructions.ArgCommand, given map[string]string) (*environ, map[string]*argument, error) {
	declared := map[string]*argument{}
	for _, cmd := range meta {
		for _, kv := range cmd.Args {
			a := &argument{name: kv.Key, doc: kv.DocComment, location: cmd.Location(), uses: map[string]bool{}}
			value, ok := given[kv.Key]
			if !ok && kv.Value != nil {
				res, err := expand(lex, *kv.Value, env)
				if err != nil {
					return nil, nil, parser.WithLocation(err, cmd.Location())
				}
				value, ok = res.Result, true
				for k := range res.Matched {
					a.uses[k] = true
				}
				inherit(a, declared)
			}
			if ok {
				env.set(kv.Key, value)
				a.value = value
			}
			declared[kv.Key] = a
		}
		if env.size > maxEnviron {
			return nil, nil, parser.WithLocation(errEnvTooLarge, cmd.Location())
		}
	}
	return env, declared, nil
}

// inherit is for ARG A=$A-x: A uses what it used before.
func inherit(a *argument, declared map[string]*argument) {
	if !a.uses[a.name] {
		return
	}
	delete(a.uses, a.name)
	if old := declared[a.name]; old != nil {
		maps.Copy(a.uses, old.uses)
	}
}

// arg does an ARG within a stage.
func (p *planner) arg(c *instructions.ArgCommand) error {
	words := make([]string, 0, len(c.Args))
	for _, kv := range c.Args {
		checkSecret("ARG", kv.Key, c.Location(), p.lint)
		given, isGiven := p.r.opts.Args[kv.Key]
		inherited := false
		switch {
		case isGiven:
			kv.Value = &given
		case kv.Value == nil:
			if v, ok := p.r.globals.Get(kv.Key); ok {
				kv.Value, inherited = &v, true
			}
		default:
			v, err := p.word(c, *kv.Value)
			if err != nil {
				return err
			}
			kv.Value = &v
		}
		a := &argument{name: kv.Key, doc: kv.DocComment, location: c.Location()}
		word := kv.Key
		if kv.Value != nil {
			a.value = *kv.Value
			word += "=" + *kv.Value
			if !scanArgument(kv.Key) {
				if err := p.setVariable(kv.Key, *kv.Value); err != nil {
					return err
				}
			}
		}
		if !inherited {
			p.plan.outline.args[kv.Key] = a
		}
		p.plan.outline.used[kv.Key] = true
		p.plan.args = append(p.plan.args, kv)
		words = append(words, word)
	}
	return p.config(c, "ARG "+strings.Join(words, " "))
}

// scanArgument tells arguments that are for BuildKit's scanners and are not
// given to programs.
func scanArgument(name string) bool {
	return name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE"
}

// proxies are the variables that RUN gets from --build-arg without an ARG, and
// their names. They do not count for the cache.
func proxies(given map[string]string) (env, names []string) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"} {
		var value string
		for _, k := range slices.Sorted(maps.Keys(given)) {
			if strings.EqualFold(k, name) {
				value = given[k]
			}
		}
		if value != "" {
			env = append(env, name+"="+value, strings.ToLower(name)+"="+value)
			names = append(names, name, strings.ToLower(name))
		}
	}
	return env, names
}

// UnusedArgs are the names given with --build-arg that no ARG took: neither one
// before the first FROM nor one in the plans.
func (r *Recipe) UnusedArgs(plans []*Plan) []string {
	used := map[string]bool{"SOURCE_DATE_EPOCH": true}
	for _, k := range r.predefined("").Keys() {
		used[k] = true
	}
	for k := range r.declared {
		used[k] = true
	}
	for _, p := range plans {
		for _, kv := range p.args {
			used[kv.Key] = true
		}
	}
	var unused []string
	for k := range r.opts.Args {
		proxy := slices.Contains([]string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"}, strings.ToLower(k))
		if !used[k] && !proxy && !strings.HasPrefix(k, "BUILDKIT_") {
			unused = append(unused, k)
		}
	}
	slices.Sort(unused)
	return unused
}

// UnusedArgsWarning is Docker's line about UnusedArgs, empty if there are none.
func UnusedArgsWarning(unused []string) string {
	if len(unused) == 0 {
		return ""
	}
	return "[Warning] One or more build-args [" + strings.Join(unused, " ") + "] were not consumed"
}
