package builds

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// kase is one Dockerfile with its context.
type kase struct {
	name, title string
	// others build it beside skiff.
	others []string
	// flags are those of docker build.
	flags []string
	// before is run by the shell in the context, for what a txtar cannot hold.
	before string
	// fails, if set, is what the build's messages match, which fails.
	fails *regexp.Regexp
	// base is the image that the result is compared against: only what differs from
	// it counts. Empty for none.
	base  string
	known []*known
	files []txtar.File
}

// known is a difference with its reason.
type known struct {
	other  string // buildah, docker, buildkit or *
	aspect string // file, time, config, history, layers, fails
	name   string // a path or field; * at the end stands for the rest
	reason string
	where  string
}

// matches says whether it speaks of this aspect of a result.
func (k *known) matches(other, key string) bool {
	if k.other != "*" && k.other != other {
		return false
	}
	aspect, name, _ := strings.Cut(key, " ")
	if aspect != k.aspect {
		return false
	}
	prefix, open := strings.CutSuffix(k.name, "*")
	return name == k.name || open && strings.HasPrefix(name, prefix)
}

// parseCase reads a case: a txtar, whose comment is
//
//	# what it shows
//	others: buildkit docker buildah
//	flags: --build-arg X=1
//	before: ln -s a ctx/b
//	fails: REGEXP
//	base: httpd
//	! buildah file /proc*: the reason of a difference
//
// Lines of before may be several. The files are the context; those below @/ are
// beside it.
func parseCase(file string, data []byte) (*kase, error) {
	ar := txtar.Parse(data)
	k := &kase{
		name: strings.TrimSuffix(filepath.Base(file), ".txtar"), others: []string{"buildkit", "docker", "buildah"},
		base: "busybox", files: ar.Files,
	}
	for n, line := range strings.Split(string(ar.Comment), "\n") {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		where := fmt.Sprintf("%s:%d", filepath.Base(file), n+1)
		switch word {
		case "":
		case "#":
			k.title = strings.TrimSpace(k.title + " " + rest)
		case "others:":
			k.others = strings.Fields(rest)
		case "flags:":
			k.flags = append(k.flags, strings.Fields(rest)...)
		case "before:":
			k.before += rest + "\n"
		case "base:":
			k.base = strings.TrimPrefix(rest, "none")
		case "fails:":
			re, err := regexp.Compile(rest)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", where, err)
			}
			k.fails = re
		case "!":
			n, err := parseKnown(rest, where)
			if err != nil {
				return nil, err
			}
			k.known = append(k.known, n)
		default:
			return nil, fmt.Errorf("%s: no such directive: %q", where, line)
		}
	}
	if k.title == "" {
		return nil, fmt.Errorf("%s: it does not say what it shows", file)
	}
	return k, nil
}

// parseKnown reads "OTHER ASPECT NAME: REASON".
func parseKnown(text, where string) (*known, error) {
	what, reason, ok := strings.Cut(text, ": ")
	f := strings.SplitN(what, " ", 3)
	if !ok || len(f) < 2 || reason == "" {
		return nil, fmt.Errorf("%s: want OTHER ASPECT NAME: REASON, got %q", where, text)
	}
	k := &known{other: f[0], aspect: f[1], reason: strings.TrimSpace(reason), where: where}
	if len(f) == 3 {
		k.name = f[2]
	}
	return k, nil
}

// loadCases reads all cases, in the order of their names.
func loadCases(t *testing.T) []*kase {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []*kase
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		k, err := parseCase(f, data)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

// loadKnown reads the differences that many cases have.
func loadKnown(t *testing.T) []*known {
	t.Helper()
	data, err := os.ReadFile("testdata/known.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []*known
	for n, line := range strings.Split(string(data), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := parseKnown(line, fmt.Sprintf("known.txt:%d", n+1))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}
