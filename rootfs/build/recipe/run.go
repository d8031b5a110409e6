package recipe

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// run does RUN.
func (p *planner) run(c *instructions.RunCommand) error {
	args, files, note, err := inline(c)
	if err != nil {
		return err
	}
	if c.PrependShell {
		args = p.withShell(args)
	}
	if len(args) == 0 {
		return errors.New("RUN needs a command")
	}
	r := &Run{Args: args, Files: files, Cwd: p.cfg.WorkingDir, User: p.cfg.User,
		Insecure: instructions.GetSecurity(c) == instructions.SecurityInsecure,
		Devices:  instructions.GetDevices(c)}
	if r.Cwd == "" {
		r.Cwd = "/"
	}
	if slices.Contains(c.FlagsUsed, "network") {
		r.Network = instructions.GetNetwork(c)
	}
	if r.Mounts, r.Origins, err = p.mounts(c); err != nil {
		return err
	}
	createdBy := "RUN " + p.commandLine(args) + " # buildkit"
	title := p.runTitle(c, note)
	if r.Env, r.Uncached, err = p.runEnv(); err != nil {
		return err
	}
	return p.step(c, Step{Kind: StepRun, Title: title, CreatedBy: createdBy, Run: r})
}

// runEnv is what the program gets. Proxies are at its end, unless an ARG or ENV
// has made them variables like others.
func (p *planner) runEnv() (env, uncached []string, err error) {
	if p.envList == nil {
		p.envList = p.plan.env.list()
		if err := p.spend(16 * len(p.envList)); err != nil {
			return nil, nil, err
		}
	}
	extra, names := proxies(p.r.opts.Args)
	if len(extra) == 0 {
		return p.envList, nil, nil
	}
	env = slices.Clone(p.envList)
	for i, name := range names {
		if _, ok := p.plan.env.Get(name); !ok {
			env = append(env, extra[i])
			uncached = append(uncached, name)
		}
	}
	return env, uncached, p.spend(16 * len(env))
}

// inline puts here-documents where they belong. There are three ways: a script
// with a #! line becomes a file that is run; a document that is all of the
// command becomes the command; any other is left to the shell. note is what the
// title gets in addition.
func inline(c *instructions.RunCommand) (args []string, files []instructions.ShellInlineFile, note string, err error) {
	args = slices.Clone(c.CmdLine)
	if len(c.Files) == 0 {
		return args, nil, "", nil
	}
	if len(args) != 1 || !c.PrependShell {
		return nil, nil, "", errors.New("RUN: a here-document needs the shell form")
	}
	if parser.MustParseHeredoc(args[0]) == nil {
		var b strings.Builder
		b.WriteString(args[0])
		for _, f := range c.Files {
			b.WriteString("\n" + f.Data + f.Name)
		}
		return []string{b.String()}, nil, "", nil
	}
	f := c.Files[0]
	note = " (" + firstLine(strings.ReplaceAll(f.Data, "\r\n", "\n")) + ")"
	if f.Chomp {
		f.Data = parser.ChompHeredocContent(f.Data)
	}
	if !strings.HasPrefix(f.Data, "#!") {
		return []string{f.Data}, nil, note, nil
	}
	if f.Name != path.Base(f.Name) || f.Name == "." || f.Name == ".." {
		return nil, nil, "", fmt.Errorf("RUN: a script cannot be called %q", f.Name)
	}
	return []string{path.Join(FilesDir, f.Name)}, []instructions.ShellInlineFile{f}, note, nil
}

// commandLine is a RUN as history shows it: the arguments in force and what was
// run.
func (p *planner) commandLine(args []string) string {
	var names []string
	values := map[string]string{}
	for _, kv := range p.plan.args {
		v, ok := p.plan.env.Get(kv.Key)
		if !ok {
			v = kv.ValueString()
		}
		if _, ok := values[kv.Key]; !ok {
			names = append(names, kv.Key)
		}
		values[kv.Key] = v
	}
	var words []string
	if len(names) > 0 {
		words = append(words, fmt.Sprintf("|%d", len(names)))
	}
	for _, n := range names {
		words = append(words, n+"="+values[n])
	}
	return strings.Join(append(words, args...), " ")
}

// titled is an instruction's text as progress shows it.
func (p *planner) titled(code string) string {
	res, err := expand(p.lex, code, p.plan.env)
	if err != nil {
		return upperFirst(code)
	}
	return upperFirst(res.Result)
}

// runTitle is titled for a RUN: nothing but variables is replaced, and variables
// that will hold secrets are not.
func (p *planner) runTitle(c *instructions.RunCommand, note string) string {
	lex := shell.NewLex(p.r.escape)
	lex.RawQuotes, lex.RawEscapes, lex.SkipUnsetEnv = true, true, true
	masked := map[string]string{}
	for _, m := range instructions.GetMounts(c) {
		if m.Type == instructions.MountTypeSecret && m.Env != nil {
			masked[*m.Env] = "****"
		}
	}
	code := c.String() + note
	res, err := expand(lex, code, overlaid{p.plan.env, masked})
	if err != nil {
		return upperFirst(code)
	}
	return upperFirst(res.Result)
}

// upperFirst writes the instruction's name in upper case.
func upperFirst(s string) string {
	name, rest, more := strings.Cut(s, " ")
	if !more {
		return strings.ToUpper(name)
	}
	return strings.ToUpper(name) + " " + rest
}

// mounts are a RUN's, with targets and names filled in.
func (p *planner) mounts(c *instructions.RunCommand) ([]*instructions.Mount, []Origin, error) {
	mounts := instructions.GetMounts(c)
	origins := make([]Origin, len(mounts))
	for i, m := range mounts {
		o, err := p.mount(c, m)
		if err != nil {
			return nil, nil, err
		}
		origins[i] = o
	}
	return mounts, origins, nil
}

func (p *planner) mount(c *instructions.RunCommand, m *instructions.Mount) (Origin, error) {
	switch m.Type {
	case instructions.MountTypeSecret:
		return Origin{Stage: -1}, p.secret(c, m)
	case instructions.MountTypeSSH:
		return Origin{Stage: -1}, p.agent(c, m)
	}
	o, err := p.r.origin(m.From, c.Location(), "RUN")
	if err != nil {
		return o, err
	}
	if o.Stage >= p.stage.Index {
		return o, fmt.Errorf("RUN --mount from stage %q, which must be defined before stage %q", m.From, p.r.stageTitle(p.stage.Index))
	}
	if o.Image != "" && o.Image != "scratch" {
		if err := p.r.checkReference(o.Image, c.Location(), "RUN"); err != nil {
			return o, err
		}
	}
	if m.Type == instructions.MountTypeCache && m.CacheID == "" {
		m.CacheID = path.Clean(m.Target)
	}
	m.Target = absolute(p.cfg.WorkingDir, m.Target)
	if m.Target == "/" {
		return o, errors.New("RUN --mount: the target cannot be the root directory")
	}
	return o, nil
}

// secret fills in a secret's ID and target.
func (p *planner) secret(c *instructions.RunCommand, m *instructions.Mount) error {
	if m.Source != "" {
		m.CacheID, m.Source = m.Source, ""
	}
	if m.CacheID == "" {
		m.CacheID = path.Base(m.Target)
	}
	switch {
	case m.Target != "":
		m.Target = absolute("/", m.Target)
	case m.Env == nil:
		m.Target = "/run/secrets/" + path.Base(m.CacheID)
	}
	if m.Target == "/" || m.Target == "/run/secrets" {
		return fmt.Errorf("RUN --mount=type=secret: the target cannot be %s", m.Target)
	}
	if m.Env != nil && *m.Env == "" {
		return errors.New("RUN --mount=type=secret: env needs a name")
	}
	p.plan.outline.secret(m, c.Location())
	return nil
}

// agent fills in the ID of an ssh mount.
func (p *planner) agent(c *instructions.RunCommand, m *instructions.Mount) error {
	if m.Source != "" {
		return errors.New("RUN --mount=type=ssh takes no source")
	}
	if m.CacheID == "" {
		m.CacheID = "default"
	}
	if m.Target != "" {
		m.Target = absolute(p.cfg.WorkingDir, m.Target)
	}
	p.plan.outline.agent(m, c.Location())
	return nil
}

// clone is for a stage that begins with another.
func (o outline) clone() outline {
	return outline{args: maps.Clone(o.args), used: maps.Clone(o.used), secrets: slices.Clone(o.secrets), agents: slices.Clone(o.agents)}
}
