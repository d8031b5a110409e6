package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Selection is what one COPY, ADD or mount takes from a tree.
type Selection struct {
	// Sources are as written: paths from the tree's root, with the wildcards of
	// filepath.Match, or with Parents also "**".
	Sources []string
	// Parents keeps the directories that lead to a file, from "/./" in a source on.
	Parents bool
	// Excludes are patterns of files that are left out, relative to each source.
	Excludes []string
}

// Entry is one file or directory that a selection names. Of a directory what it
// holds is meant, not itself.
type Entry struct {
	// Source is the one that was written, for messages.
	Source string
	// Path is where it is, relative to the tree's root; no part of it is a link.
	Path string
	// Name is what it is called when it goes into a directory.
	Name string
	Dir  bool
	// include are patterns relative to Path; none means everything.
	include []string
	exclude []string
}

// NotFoundError says that a source is not in its tree.
type NotFoundError struct {
	Path string // as written, from the root
	Tree string
	// Ignored says that the ignore file leaves it out.
	Ignored bool
}

func (e *NotFoundError) Error() string {
	if e.Ignored {
		return fmt.Sprintf("%q: not found: it is in the %s, but the ignore file leaves it out", e.Path, e.Tree)
	}
	return fmt.Sprintf("%q: not found", e.Path)
}

// Is makes it one that errors.Is finds as fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// Select finds what the sources of a selection name, in their order, and what a
// wildcard matches by name. Links that lead to a source are followed within the
// tree. A wildcard may match nothing; a link that it matches, or another source,
// that leads to nothing is a NotFoundError.
func (t *Tree) Select(sel Selection) ([]Entry, error) {
	if _, err := newMatcher(sel.Excludes); err != nil {
		return nil, fmt.Errorf("cannot use --exclude: %w", err)
	}
	var out []Entry
	for _, src := range sel.Sources {
		find := t.match
		if sel.Parents {
			find = t.withParents
		}
		found, err := find(src)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			e.Source, e.exclude = src, sel.Excludes
			skip, err := e.excluded()
			if err != nil {
				return nil, err
			}
			if !skip {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// excluded reports whether the file that an entry is is left out by --exclude.
func (e *Entry) excluded() (bool, error) {
	if e.Dir || len(e.exclude) == 0 {
		return false, nil
	}
	m, err := newMatcher(e.exclude)
	if err != nil {
		return false, err
	}
	return m.pm.MatchesOrParentMatches(e.Name)
}

// withParents takes a source apart where --parents is given: what is before "/./"
// is where to look, and what follows is what to look for.
func (t *Tree) withParents(src string) ([]Entry, error) {
	base, pattern, ok := strings.Cut(src, "/./")
	if !ok {
		base, pattern = "/", src
	}
	pattern = strings.TrimPrefix(path.Join("/", pattern), "/")
	found, err := t.match(base)
	if err != nil || pattern == "" {
		return found, err
	}
	for i := range found {
		found[i].include = []string{pattern}
	}
	if wild(base) || wild(pattern) {
		return found, nil
	}
	for i := range found {
		there, err := t.holds(path.Join(found[i].Path, pattern), unix.O_NOFOLLOW)
		if err != nil {
			return nil, err
		}
		if there {
			return found, nil
		}
	}
	return nil, t.notFound(path.Join(base, pattern))
}

// match finds what a source without --parents names.
func (t *Tree) match(src string) ([]Entry, error) {
	clean := path.Join("/", src)
	parts := strings.Split(strings.TrimPrefix(clean, "/"), "/")
	for i, part := range parts {
		if !wild(part) {
			continue
		}
		if _, err := filepath.Match(path.Join(parts[i:]...), ""); err != nil {
			return nil, fmt.Errorf("invalid source %q: %w", src, err)
		}
		base, err := t.Root.Resolve(path.Join("/", path.Join(parts[:i]...)))
		if err != nil {
			return nil, t.missing(clean, err)
		}
		return t.glob(strings.TrimPrefix(base, "/"), parts[i:], nil)
	}
	e, err := t.entry(clean)
	if err != nil {
		return nil, err
	}
	return []Entry{e}, nil
}

// glob adds what matches the components below the directory dir.
func (t *Tree) glob(dir string, parts []string, to []Entry) ([]Entry, error) {
	names, err := t.Root.ReadDir(path.Join("/", dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return to, nil
	}
	if err != nil {
		return to, err
	}
	for _, d := range names {
		if ok, _ := filepath.Match(parts[0], d.Name()); !ok {
			continue
		}
		rel := path.Join(dir, d.Name())
		if len(parts) > 1 {
			// As links are not followed on the way, one has nothing in it.
			if st, err := t.Root.Lstat(rel); err == nil && st.IsDir() {
				if to, err = t.glob(rel, parts[1:], to); err != nil {
					return to, err
				}
			}
			continue
		}
		e, err := t.entry("/" + rel)
		var missing *NotFoundError
		if errors.As(err, &missing) && missing.Ignored {
			continue
		}
		if err != nil {
			return to, err
		}
		to = append(to, e)
	}
	return to, nil
}

// entry is what the path leads to.
func (t *Tree) entry(name string) (Entry, error) {
	at, err := t.Root.Resolve(name)
	if err != nil {
		return Entry{}, t.missing(name, err)
	}
	rel := path.Clean(strings.TrimPrefix(at, "/"))
	st, err := t.Root.Lstat(rel)
	if err != nil {
		return Entry{}, t.missing(name, err)
	}
	there, err := t.kept(rel, st.IsDir())
	if err == nil && there && rel != path.Clean(strings.TrimPrefix(name, "/")) {
		there, err = t.kept(path.Clean(strings.TrimPrefix(name, "/")), st.IsDir())
	}
	if err != nil {
		return Entry{}, err
	}
	if !there {
		return Entry{}, t.notFound(name)
	}
	return Entry{Path: rel, Name: path.Base(name), Dir: st.IsDir()}, nil
}

// missing turns the kinds of "not there" into a NotFoundError.
func (t *Tree) missing(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return t.notFound(name)
	}
	return err
}

func (t *Tree) notFound(name string) error {
	e := &NotFoundError{Path: path.Join("/", name), Tree: t.Name}
	_, err := t.Root.Stat(e.Path)
	e.Ignored = err == nil
	return e
}

// holds reports whether the path is there and is not ignored.
func (t *Tree) holds(rel string, flags int) (bool, error) {
	f, err := t.Root.Open(rel, unix.O_PATH|flags)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	return t.kept(rel, st.IsDir())
}

// kept reports whether the ignore file leaves rel in the tree, a directory also
// where it only holds something that is in it.
func (t *Tree) kept(rel string, dir bool) (bool, error) {
	m, err := newMatcher(t.ignore)
	if err != nil {
		return false, err
	}
	v, err := m.descend(rel, false)
	if err != nil || !v.match || rel == "." {
		return err == nil, err
	}
	if !dir || !m.reaches(rel) {
		return false, nil
	}
	found := errors.New("found")
	err = t.Walk(Entry{Path: rel, Dir: true}, Visitor{Visit: func(f *File) error {
		if f.Rel == "" {
			return nil
		}
		return found
	}})
	if errors.Is(err, found) {
		return true, nil
	}
	return false, err
}
