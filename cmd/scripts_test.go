package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testedCommands are the commands whose flags must all be in a script.
var testedCommands = []string{
	"attach", "build", "commit", "container prune", "cp", "create", "diff", "events", "exec", "export", "import",
	"inspect", "kill", "logs", "pause", "port", "ps", "rename", "restart", "rm", "run", "start", "stats",
	"stop", "top", "unpause", "update", "wait",
}

// TestScriptsUseFlags: each flag of the commands that deal with containers is
// used by a command line of tests/script that is expected to be understood, or
// testdata/unscripted.txt says why it cannot be. What run and create share is
// one flag: the same code reads it.
func TestScriptsUseFlags(t *testing.T) {
	used := usedFlags(t)
	excused := excuses(t)
	list := commands()
	for _, name := range testedCommands {
		i := slices.IndexFunc(list, func(c command) bool { return c.name == name })
		if i < 0 {
			t.Errorf("there is no command %q", name)
			continue
		}
		for _, f := range list[i].new(silentApp()).Flags {
			flag, _ := names(f)
			key := name + " --" + flag
			_, excuse := excused[key]
			delete(excused, key)
			switch is := used[key]; {
			case !is && !excuse:
				t.Errorf("no script uses %s", key)
			case is && excuse:
				t.Errorf("a script uses %s: testdata/unscripted.txt need not excuse it", key)
			}
		}
	}
	for key := range excused {
		t.Errorf("testdata/unscripted.txt excuses %q, which is no flag of these commands", key)
	}
}

// excuses reads testdata/unscripted.txt: a command and a flag, a colon, and why
// no script can use it.
func excuses(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/unscripted.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, why, _ := strings.Cut(line, ": ")
		if len(why) < 10 {
			t.Errorf("testdata/unscripted.txt gives no reason: %q", line)
		}
		out[key] = why
	}
	return out
}

// usedFlags are the flags that the scripts use, as "COMMAND --FLAG".
func usedFlags(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../tests/script/testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts (%v)", err)
	}
	used := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if refused.MatchString(line) || strings.HasPrefix(line, "#") {
				continue
			}
			for _, args := range calls(line) {
				note(used, args)
			}
		}
	}
	return used
}

// refused are lines with a command line that is not carried out.
var refused = regexp.MustCompile(`^(\[[^]]*\] )*code 125 `)

// program is the word after which skiff's own begin.
var programWord = regexp.MustCompile(`(^|[\s'"(;|&/$])(skiff|SKIFF|docker)\s`)

// calls are the words after each name of the program in a line, also in the
// command of a shell, up to the end of the command.
func calls(line string) [][]string {
	var out [][]string
	for {
		at := programWord.FindStringIndex(line)
		if at == nil {
			return out
		}
		line = line[at[1]:]
		out = append(out, shellWords(line))
	}
}

// shellWords are the words up to the end of a command, quotes taken off as the
// scripts and the shell do it, as far as it is needed to find options.
func shellWords(s string) []string {
	var words []string
	var b strings.Builder
	var quote rune
	in := false
	end := func() {
		if in {
			words = append(words, b.String())
			b.Reset()
			in = false
		}
	}
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			b.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ' || r == '\t':
			end()
		case strings.ContainsRune(";|&\n)", r):
			end()
			return words
		default:
			b.WriteRune(r)
			in = true
		}
	}
	end()
	return words
}

// note marks the flags of one command line. What cannot be read as one, such as
// a sentence about skiff, has none.
func note(used map[string]bool, args []string) {
	app := silentApp()
	w, err := canonical(globalFlags(), args, false)
	if err != nil || len(w.rest) == 0 {
		return
	}
	c, _, rest, err := lookup(app, w.rest)
	if err != nil || c == nil {
		return
	}
	flags := c.new(app).Flags
	own, err := canonical(append(slices.Clone(flags), persistentFlags()...), rest, !c.verbatim)
	if err != nil {
		return
	}
	for _, o := range own.options {
		name, _, _ := strings.Cut(strings.TrimPrefix(o, "--"), "=")
		if findFlag(flags, name) == nil {
			continue
		}
		used[c.name+" --"+name] = true
		if (c.name == "run" || c.name == "create") && shared(name) {
			used["run --"+name], used["create --"+name] = true, true
		}
	}
}

// shared says whether run and create both have the flag.
func shared(name string) bool {
	return findFlag(createFlags(silentApp()), name) != nil
}

// TestShellWords: the options of a command line are found wherever it stands.
func TestShellWords(t *testing.T) {
	for line, want := range map[string]string{
		"skiff run --rm -it -m64m busybox ls --all":        "run --interactive run --memory run --rm run --tty",
		"code 3 skiff exec -e A=1 web sh -c 'skiff ps -q'": "exec --env ps --quiet",
		`exec sh -c 'echo | skiff rm -f "a b"; true'`:      "rm --force",
		"skiff inspect --format '{{.Id}} --size' web":      "inspect --format",
		"exec ./docker --root $ROOT ps --all":              "ps --all",
		"# skiff is good":                                  "",
	} {
		used := map[string]bool{}
		for _, args := range calls(line) {
			note(used, args)
		}
		var got []string
		for key := range used {
			if !strings.HasPrefix(key, "create ") {
				got = append(got, key)
			}
		}
		slices.Sort(got)
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", line, s, want)
		}
	}
}
