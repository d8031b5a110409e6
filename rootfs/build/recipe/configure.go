package recipe

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/sys/unix"
)

// configure does an instruction that changes the configuration only.
func (p *planner) configure(c instructions.Command) error {
	switch c := c.(type) {
	case *instructions.EnvCommand:
		return p.env(c)
	case *instructions.LabelCommand:
		return p.label(c)
	case *instructions.MaintainerCommand:
		p.plan.Author = c.Maintainer
		return p.config(c, "MAINTAINER "+c.Maintainer)
	case *instructions.OnbuildCommand:
		p.cfg.OnBuild = append(p.cfg.OnBuild, c.Expression) // BuildKit's history has none
		return p.spend(len(c.Expression))
	case *instructions.CmdCommand:
		args := p.shellForm(c, c.ShellDependantCmdLine)
		p.cmd.once(c, p.lint)
		p.cfg.Cmd = args
		p.cfg.ArgsEscaped = true
		return p.config(c, fmt.Sprintf("CMD %q", args))
	case *instructions.EntrypointCommand:
		args := p.shellForm(c, c.ShellDependantCmdLine)
		p.entrypoint.once(c, p.lint)
		p.cfg.Entrypoint = args
		if !p.cmd.set {
			p.cfg.Cmd = nil // the base's is for the base's entrypoint
		}
		return p.config(c, fmt.Sprintf("ENTRYPOINT %q", args))
	case *instructions.HealthCheckCommand:
		p.healthcheck.once(c, p.lint)
		h := c.Health
		p.cfg.Healthcheck = &Healthcheck{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout,
			StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries}
		return p.config(c, fmt.Sprintf("HEALTHCHECK %+v", *p.cfg.Healthcheck))
	case *instructions.ExposeCommand:
		return p.expose(c)
	case *instructions.UserCommand:
		p.cfg.User = c.User
		return p.config(c, "USER "+c.User)
	case *instructions.VolumeCommand:
		return p.volume(c)
	case *instructions.StopSignalCommand:
		if !isSignal(c.Signal) {
			return fmt.Errorf("STOPSIGNAL %s: no such signal", c.Signal)
		}
		p.cfg.StopSignal = c.Signal
		return p.config(c, "STOPSIGNAL "+c.Signal)
	case *instructions.ShellCommand:
		p.cfg.Shell = c.Shell
		return p.config(c, fmt.Sprintf("SHELL %v", c.Shell))
	}
	return fmt.Errorf("%s is not supported", strings.ToUpper(c.Name()))
}

func (p *planner) env(c *instructions.EnvCommand) error {
	words := []string{"ENV"}
	for _, kv := range c.Env {
		if kv.NoDelim {
			checkLegacy(c, p.lint)
		}
		checkSecret("ENV", kv.Key, c.Location(), p.lint)
		if err := p.setVariable(kv.Key, kv.Value); err != nil {
			return err
		}
		p.setConfigEnv(kv.Key, kv.Value)
		words = append(words, kv.Key+"="+kv.Value)
	}
	return p.config(c, strings.Join(words, " "))
}

func (p *planner) setConfigEnv(name, value string) {
	if i, ok := p.envAt[name]; ok {
		p.cfg.Env[i] = name + "=" + value
		return
	}
	p.envAt[name] = len(p.cfg.Env)
	p.cfg.Env = append(p.cfg.Env, name+"="+value)
}

func (p *planner) label(c *instructions.LabelCommand) error {
	words := []string{"LABEL"}
	if p.cfg.Labels == nil {
		p.cfg.Labels = map[string]string{}
	}
	for _, kv := range c.Labels {
		if kv.NoDelim {
			checkLegacy(c, p.lint)
		}
		p.cfg.Labels[kv.Key] = kv.Value
		words = append(words, kv.Key+"="+kv.Value)
	}
	return p.config(c, strings.Join(words, " "))
}

func (p *planner) volume(c *instructions.VolumeCommand) error {
	if p.cfg.Volumes == nil {
		p.cfg.Volumes = map[string]struct{}{}
	}
	for _, v := range c.Volumes {
		if v == "" {
			return errors.New("VOLUME: a path is empty")
		}
		p.cfg.Volumes[v] = struct{}{}
	}
	return p.config(c, fmt.Sprintf("VOLUME %v", c.Volumes))
}

// shellForm is the command line, with the shell before it if it was not written
// as JSON.
func (p *planner) shellForm(c instructions.Command, line instructions.ShellDependantCmdLine) []string {
	if !line.PrependShell {
		return line.CmdLine
	}
	if len(p.cfg.Shell) == 0 {
		checkShellForm(c, p.lint)
	}
	return p.withShell(line.CmdLine)
}

func (p *planner) withShell(args []string) []string {
	shell := []string{"/bin/sh", "-c"}
	if len(p.cfg.Shell) > 0 {
		shell = slices.Clone(p.cfg.Shell)
	}
	return append(shell, strings.Join(args, " "))
}

// workdir does WORKDIR.
func (p *planner) workdir(c *instructions.WorkdirCommand) error {
	if !p.plan.workdirSet && !strings.HasPrefix(c.Path, "/") {
		checkWorkdir(c, p.lint)
	}
	p.plan.workdirSet = true
	title := p.titled(c.String())
	p.cfg.WorkingDir = absolute(p.cfg.WorkingDir, c.Path)
	said := p.cfg.WorkingDir
	if strings.HasPrefix(c.Path, "/") {
		said = c.Path // as BuildKit's history has it
	}
	s := Step{Kind: StepWorkdir, Title: title, CreatedBy: "WORKDIR " + said, Dir: p.cfg.WorkingDir, User: p.cfg.User}
	if s.Dir == "/" {
		s.Kind = StepConfig // it is there
	}
	return p.step(c, s)
}

// isSignal reports whether STOPSIGNAL has the name or number of one.
func isSignal(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n > 0 && n <= 64
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	for _, prefix := range []string{"RTMIN", "RTMAX"} {
		if off, ok := strings.CutPrefix(name, prefix); ok {
			if off == "" {
				return true
			}
			n, err := strconv.Atoi(off)
			return err == nil && (prefix == "RTMIN") == (off[0] == '+') && n >= -14 && n <= 15
		}
	}
	return unix.SignalNum("SIG"+name) != 0
}

func cloneConfig(c Config) Config {
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	c.Env = slices.Clone(c.Env)
	c.Entrypoint = slices.Clone(c.Entrypoint)
	c.Cmd = slices.Clone(c.Cmd)
	c.Volumes = maps.Clone(c.Volumes)
	c.Labels = maps.Clone(c.Labels)
	c.OnBuild = slices.Clone(c.OnBuild)
	c.Shell = slices.Clone(c.Shell)
	if c.Healthcheck != nil {
		h := *c.Healthcheck
		h.Test = slices.Clone(h.Test)
		c.Healthcheck = &h
	}
	return c
}
