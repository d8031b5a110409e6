package recipe

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/opencontainers/go-digest"
)

// SourceKind is what a source of ADD is.
type SourceKind int

// Kinds of source.
const (
	SourceLocal SourceKind = iota // a path in the context
	SourceURL
	SourceGit
)

// KindOf tells what a source of ADD is: an HTTP URL whose path ends in .git is a
// repository.
func KindOf(source string) SourceKind {
	for _, p := range []string{"git://", "ssh://", "git@"} {
		if strings.HasPrefix(source, p) {
			return SourceGit
		}
	}
	if !strings.HasPrefix(source, "http://") && !strings.HasPrefix(source, "https://") {
		return SourceLocal
	}
	if u, err := url.Parse(source); err == nil && strings.HasSuffix(u.Path, ".git") {
		return SourceGit
	}
	return SourceURL
}

func (p *planner) copyFiles(c *instructions.CopyCommand) error {
	o, err := p.r.origin(c.From, c.Location(), "COPY")
	if err != nil {
		return err
	}
	if o.Stage >= p.stage.Index {
		return fmt.Errorf("COPY from stage %q, which must be defined before stage %q", c.From, p.r.stageTitle(p.stage.Index))
	}
	if o.Image != "" && o.Image != "scratch" {
		if err := p.r.checkReference(o.Image, c.Location(), "COPY"); err != nil {
			return err
		}
	}
	cp := &Copy{From: o.Image, FromStage: o.Stage, Sources: c.SourcePaths, Contents: c.SourceContents,
		Dest: c.DestPath, Chown: c.Chown, Chmod: c.Chmod, Link: c.Link, Parents: c.Parents, Excludes: c.ExcludePatterns}
	if o.Context != "" {
		cp.From, cp.FromContext = o.Context, true
	}
	for _, s := range c.SourcePaths {
		if KindOf(s) != SourceLocal {
			return fmt.Errorf("COPY %s: source can't be a URL for COPY, only for ADD", s)
		}
	}
	if c.From == "" {
		p.checkIgnored(c, "Copy", c.SourcePaths)
	}
	return p.copied(c, "COPY", c.String(), cp)
}

func (p *planner) addFiles(c *instructions.AddCommand) error {
	cp := &Copy{Add: true, FromStage: -1, Sources: c.SourcePaths, Contents: c.SourceContents,
		Dest: c.DestPath, Chown: c.Chown, Chmod: c.Chmod, Link: c.Link, Excludes: c.ExcludePatterns,
		Checksum: c.Checksum, KeepGitDir: c.KeepGitDir != nil && *c.KeepGitDir, Unpack: c.Unpack}
	if err := checksum(cp); err != nil {
		return err
	}
	var local []string
	for _, s := range c.SourcePaths {
		if KindOf(s) == SourceLocal {
			local = append(local, s)
		}
	}
	p.checkIgnored(c, "Add", local)
	return p.copied(c, "ADD", c.String(), cp)
}

// copied adds the step of a COPY or ADD.
func (p *planner) copied(c instructions.Command, name, code string, cp *Copy) error {
	if cp.Link && cp.Chown != "" && strings.Trim(cp.Chown, "0123456789:") != "" {
		return fmt.Errorf("%s --link --chown=%s: names are not known in a layer of its own; use numbers", name, cp.Chown)
	}
	if err := checkMode(cp.Chmod); err != nil {
		return fmt.Errorf("%s --chmod=%s: %w", name, cp.Chmod, err)
	}
	for _, f := range cp.Contents {
		if f.Path != path.Base(f.Path) || f.Path == "." || f.Path == ".." {
			return fmt.Errorf("%s <<%s: a file cannot have this name", name, f.Path)
		}
	}
	if cp.Cwd = p.cfg.WorkingDir; cp.Cwd == "" {
		cp.Cwd = "/"
	}
	words := []string{name}
	if cp.Parents {
		words = append(words, "--parents")
	}
	if cp.Chown != "" {
		words = append(words, "--chown="+cp.Chown)
	}
	if cp.Chmod != "" {
		words = append(words, "--chmod="+cp.Chmod)
	}
	words = append(words, cp.Sources...)
	for _, f := range cp.Contents {
		words = append(words, "<<"+f.Path)
	}
	words = append(words, cp.Dest, "# buildkit")
	return p.step(c, Step{Kind: StepCopy, Title: p.titled(code), CreatedBy: strings.Join(words, " "), Copy: cp})
}

// checksum checks ADD --checksum.
func checksum(cp *Copy) error {
	if cp.Checksum == "" {
		return nil
	}
	if len(cp.Sources) != 1 || len(cp.Contents) > 0 {
		return errors.New("ADD --checksum is for one source")
	}
	switch KindOf(cp.Sources[0]) {
	case SourceURL:
		if _, err := digest.Parse(cp.Checksum); err != nil {
			return fmt.Errorf("ADD --checksum=%s: %w; want such as sha256:…", cp.Checksum, err)
		}
		return nil
	case SourceGit:
		return nil
	}
	return errors.New("ADD --checksum is for URLs and git repositories")
}

// checkMode checks --chmod: octal, or as chmod(1) has it.
func checkMode(s string) error {
	if s == "" {
		return nil
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err == nil && n <= 0o7777 {
		return nil
	}
	if strings.Trim(s, "0123456789") == "" {
		return errors.New("want an octal number from 0 to 7777")
	}
	for _, clause := range strings.Split(s, ",") {
		if !isModeClause(clause) {
			return errors.New("want an octal number from 0 to 7777, or such as u=rwX,go=rX")
		}
	}
	return nil
}

// isModeClause reports whether a clause is WHO{OPERATOR PERMISSIONS}.
func isModeClause(s string) bool {
	s = strings.TrimLeft(s, "ugoa")
	if s == "" {
		return false
	}
	for s != "" {
		if !strings.ContainsRune("+-=", rune(s[0])) {
			return false
		}
		s = s[1:]
		rest := strings.TrimLeft(s, "rwxXst")
		if rest == s && s != "" && strings.ContainsRune("ugo", rune(s[0])) {
			rest = s[1:]
		}
		s = rest
	}
	return true
}
