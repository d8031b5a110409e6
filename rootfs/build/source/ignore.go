package source

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"skiff/rootfs/safepath"
)

// maxIgnoreFile bounds an ignore file, in bytes.
const maxIgnoreFile = 4 << 20

// IgnoreFile reads the ignore file that counts for a context. explicit is
// --ignorefile's path on the host. Else it is the one that belongs to the
// Dockerfile, NAME.containerignore or NAME.dockerignore, and then that of the
// context, .containerignore or .dockerignore. dockerfile is absolute for one of
// the host, relative for one of the context, and empty where it is neither. No
// ignore file is no error.
func IgnoreFile(root *safepath.Root, dockerfile, explicit string) ([]byte, error) {
	if explicit != "" {
		return hostFile(explicit)
	}
	for _, suffix := range []string{".containerignore", ".dockerignore"} {
		if dockerfile == "" {
			break
		}
		content, err := beside(root, dockerfile+suffix)
		if !errors.Is(err, fs.ErrNotExist) {
			return content, err
		}
	}
	for _, name := range []string{".containerignore", ".dockerignore"} {
		content, err := root.ReadFile(name, maxIgnoreFile)
		if !errors.Is(err, fs.ErrNotExist) {
			return content, err
		}
	}
	return nil, nil
}

func beside(root *safepath.Root, name string) ([]byte, error) {
	if filepath.IsAbs(name) {
		return hostFile(name)
	}
	return root.ReadFile(name, maxIgnoreFile)
}

func hostFile(name string) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot read the ignore file %s: it is not a regular file", name)
	}
	if st.Size() > maxIgnoreFile {
		return nil, fmt.Errorf("cannot read the ignore file %s: it is larger than %d bytes", name, maxIgnoreFile)
	}
	return os.ReadFile(name)
}

// Ignore makes the tree leave out what the content of an ignore file names.
func (t *Tree) Ignore(content []byte) error {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(content))
	if err == nil {
		_, err = newMatcher(patterns)
	}
	if err != nil {
		return fmt.Errorf("cannot use the ignore file of the %s: %w", t.Name, err)
	}
	t.ignore = patterns
	return nil
}

// Ignored reports whether the ignore file leaves out the path, which is relative
// to the tree and clean. A directory that is left out may hold files that are
// not.
func (t *Tree) Ignored(rel string) (bool, error) {
	m, err := newMatcher(t.ignore)
	if err != nil || m == nil {
		return false, err
	}
	return m.pm.MatchesOrParentMatches(rel)
}

// matcher is a list of patterns, as of an ignore file, for one walk: it is not to
// be used by several goroutines.
type matcher struct {
	pm *patternmatcher.PatternMatcher
	// roots are the fixed beginnings of those patterns that take files back out of
	// the list, or of all where positive is set: below other directories nothing
	// can become different. anywhere says that one has no fixed beginning.
	roots    []string
	anywhere bool
	// ends are the fixed ends of the patterns: a path with none of them matches
	// nothing, which is quicker to see than with regular expressions.
	ends []string
}

// newMatcher compiles the patterns of an ignore file, or of --exclude; none gives
// nil.
func newMatcher(patterns []string) (*matcher, error) {
	return compile(patterns, func(p *patternmatcher.Pattern) bool { return p.Exclusion() })
}

// newInclusion compiles the patterns of what is wanted.
func newInclusion(patterns []string) (*matcher, error) {
	return compile(patterns, func(*patternmatcher.Pattern) bool { return true })
}

func compile(patterns []string, counts func(*patternmatcher.Pattern) bool) (*matcher, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	pm, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	m := &matcher{pm: pm}
	for _, p := range pm.Patterns() {
		m.ends = append(m.ends, ending(p.String()))
		if !counts(p) {
			continue
		}
		if root := fixed(p.String()); root != "" {
			m.roots = append(m.roots, root)
		} else {
			m.anywhere = true
		}
	}
	return m, nil
}

// fixed is the part of a pattern before the first component with a wildcard.
func fixed(pattern string) string {
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		if wild(part) || strings.Contains(part, `\`) {
			parts = parts[:i]
			break
		}
	}
	return path.Join(parts...)
}

// ending is the part of a pattern after what is no plain character.
func ending(pattern string) string { return pattern[strings.LastIndexAny(pattern, `*?[]\`)+1:] }

// wild reports whether the pattern holds a wildcard of filepath.Match.
func wild(pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// reaches reports whether something below the directory rel may be judged
// otherwise than rel itself.
func (m *matcher) reaches(rel string) bool {
	if m.anywhere {
		return true
	}
	for _, root := range m.roots {
		if rel == root || strings.HasPrefix(root, rel+"/") || strings.HasPrefix(rel, root+"/") {
			return true
		}
	}
	return false
}

// verdict is what a matcher says of a path: match, and what it needs to know for
// the paths below.
type verdict struct {
	match bool
	// known says that info is set: a pattern may have matched.
	known bool
	info  patternmatcher.MatchInfo
}

// judge says whether rel matches, given what was said of its directory. A nil
// matcher says other.
func (m *matcher) judge(rel string, above verdict, other bool) (verdict, error) {
	if m == nil {
		return verdict{match: other}, nil
	}
	if !above.known && !slices.ContainsFunc(m.ends, func(end string) bool { return strings.HasSuffix(rel, end) }) {
		return verdict{}, nil
	}
	match, info, err := m.pm.MatchesUsingParentResults(rel, above.info)
	return verdict{match, true, info}, err
}

// descend judges the directories that rel is in, and rel.
func (m *matcher) descend(rel string, other bool) (verdict, error) {
	v := verdict{match: other}
	if m == nil || rel == "." {
		return v, nil
	}
	for i := 0; i <= len(rel); i++ {
		if i < len(rel) && rel[i] != '/' {
			continue
		}
		var err error
		if v, err = m.judge(rel[:i], v, other); err != nil {
			return v, err
		}
	}
	return v, nil
}
