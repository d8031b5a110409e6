package recipe

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// What a Dockerfile may cost. A few lines can ask for any amount of memory
// (ENV A=$A$A, again and again), so all that expansion makes is counted.
const (
	maxSource       = 4 << 20
	maxInstructions = 4096
	// maxWord is for one expanded word, maxEnviron for all variables together: more
	// could not be given to a program.
	maxWord    = 1 << 20
	maxEnviron = 1 << 20
	// maxPlan is for all that a plan keeps.
	maxPlan = 64 << 20
	// maxReplace is what ${name//pattern/replacement} may make on the way.
	maxReplace = 256 << 20
)

var (
	errWordTooLong = errors.New("an expanded word is longer than 1 MiB")
	errEnvTooLarge = errors.New("the variables together are larger than 1 MiB")
	errPlanTooBig  = errors.New("the stage expands to more than 64 MiB")
)

// metered hands variables out and counts what it gave.
type metered struct {
	shell.EnvGetter
	left int
}

func (m *metered) Get(name string) (string, bool) {
	v, ok := m.EnvGetter.Get(name)
	if m.left -= len(v); m.left < 0 {
		return "", ok
	}
	return v, ok
}

// expand has lex expand one word.
func expand(lex *shell.Lex, word string, env shell.EnvGetter) (shell.ProcessWordResult, error) {
	word, m, err := meter(word, env)
	if err != nil {
		return shell.ProcessWordResult{}, err
	}
	res, err := lex.ProcessWordWithMatches(word, m)
	if err == nil && (m.left < 0 || len(res.Result) > maxWord) {
		err = errWordTooLong
	}
	return res, err
}

// split has lex expand a text to words.
func split(lex *shell.Lex, text string, env shell.EnvGetter) ([]string, error) {
	text, m, err := meter(text, env)
	if err != nil {
		return nil, err
	}
	words, err := lex.ProcessWords(text, m)
	if err == nil && m.left < 0 {
		err = errWordTooLong
	}
	return words, err
}

func meter(word string, env shell.EnvGetter) (string, *metered, error) {
	if !utf8.ValidString(word) {
		word = string([]rune(word)) // the lexer does so too, with a complaint on stderr
	}
	if depth := replacements(word); depth > 0 && !affordable(word, env, depth) {
		return "", nil, fmt.Errorf("a replacement in a word of %d bytes: %w", len(word), errWordTooLong)
	}
	return word, &metered{EnvGetter: env, left: maxWord}, nil
}

// replacements is how deep ${name//pattern/replacement} are nested in a word at
// most.
func replacements(word string) int {
	depth, most := 0, 0
	var open []bool
	for i := 0; i < len(word); i++ {
		switch {
		case strings.HasPrefix(word[i:], "${"):
			name := strings.TrimLeft(word[i+2:], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
			all := strings.HasPrefix(name, "//")
			open = append(open, all)
			if all {
				depth++
			}
			i++
		case word[i] == '}' && len(open) > 0:
			if open[len(open)-1] {
				depth--
			}
			open = open[:len(open)-1]
		}
		most = max(most, depth)
	}
	return most
}

// affordable estimates from above what replacing everywhere makes: each byte of
// a value may become a whole replacement.
func affordable(word string, env shell.EnvGetter, depth int) bool {
	longest := len(word)
	for _, k := range env.Keys() {
		if v, ok := env.Get(k); ok && strings.Contains(word, k) {
			longest += len(v)
		}
	}
	cost := longest
	for range depth {
		if cost *= longest; cost > maxReplace {
			return false
		}
	}
	return true
}
