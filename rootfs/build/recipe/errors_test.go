package recipe

import (
	"errors"
	"strings"
	"testing"
)

// TestErrors: one line with the place, the instruction, and what to do.
func TestErrors(t *testing.T) {
	tests := []struct{ source, want string }{
		{"", "Dockerfile: the file is empty: it needs at least a FROM instruction"},
		{"# only a comment\n", "Dockerfile:1: file with no instructions"},
		{"\nFROM a\nFORM b\n", "Dockerfile:3: unknown instruction: FORM (did you mean FROM?)"},
		{"RUN x\nFROM a", "Dockerfile:1: RUN before the first FROM: only ARG may be there"},
		{"ARG A=1", "Dockerfile: there is no FROM instruction, so no stage to build"},
		{"FROM a b", "Dockerfile:1: FROM requires either one or three arguments"},
		{"FROM a AS 1x", `Dockerfile:1: FROM: invalid name for build stage: "1x", name can't start with a number or contain symbols`},
		{"FROM $NONE", "Dockerfile:1: FROM $NONE: the name of the base is empty"},
		{"FROM UPPER", `Dockerfile:1: FROM: "UPPER" is neither a stage nor the name of an image: invalid reference format: repository name (library/UPPER) must be lowercase`},
		{"FROM --platform=x/y/z/w a", `Dockerfile:1: FROM: --platform=x/y/z/w: invalid platform "x/y/z/w": want OS/ARCHITECTURE[/VARIANT] such as linux/arm64`},
		{"FROM --platform=$BUILDPLATFROM a", "Dockerfile:1: FROM: --platform=$BUILDPLATFROM is empty (did you mean BUILDPLATFORM?)"},
		{"FROM a\nCOPY --from=b$X x y", "Dockerfile:2: COPY --from=b$X: variables are not expanded here; give the base a name with FROM … AS"},
		{"FROM a\nCOPY --from=7 x y", "Dockerfile:2: COPY from stage 7: there are the stages 0 to 0"},
		{"FROM a AS x\nCOPY --from=x x y", `Dockerfile:1: stage "x" needs itself, by way of what it copies from: a circle`},
		{"FROM a AS x\nCOPY --from=y x y\nFROM x AS y", `Dockerfile:1: stage "x" needs itself, by way of what it copies from: a circle`},
		{"FROM a\nCOPY --from=1 x y\nFROM b\nFROM a\nCOPY --from=0 x y", `Dockerfile:2: COPY takes files from stage "1", which must be defined before stage "0"`},
		{"FROM a\nRUN --mount=type=cahce,target=/x y", `Dockerfile:2: RUN: unsupported mount type "cahce" (did you mean cache?)`},
		{"FROM a\nRUN --mount=target=/ y", "Dockerfile:2: RUN --mount: the target cannot be the root directory"},
		{"FROM a\nRUN --mount=type=ssh,src=x y", "Dockerfile:2: RUN --mount=type=ssh takes no source"},
		{"FROM a\nRUN --network=x y", `Dockerfile:2: RUN: invalid network mode "x"`},
		{"FROM a\nRUN []", "Dockerfile:2: RUN needs a command"},
		{"FROM a\nENV A=${A:-", "Dockerfile:2: ENV: failed to process \"${A:-\": syntax error: missing '}'"},
		{"FROM a\nENV A=${A:?missing}", `Dockerfile:2: ENV: failed to process "${A:?missing}": A: missing`},
		{"FROM a\nEXPOSE 99999", `Dockerfile:2: EXPOSE 99999: "99999" is not a port: want a number from 0 to 65535`},
		{"FROM a\nEXPOSE 2-1", "Dockerfile:2: EXPOSE 2-1: range 2-1 ends before it begins"},
		{"FROM a\nEXPOSE 1/xyz", `Dockerfile:2: EXPOSE 1/xyz: protocol "xyz" is none of tcp, udp and sctp`},
		{"FROM a\nSTOPSIGNAL SIGNONE", "Dockerfile:2: STOPSIGNAL SIGNONE: no such signal"},
		{"FROM a\nCOPY http://x/y /", "Dockerfile:2: COPY http://x/y: source can't be a URL for COPY, only for ADD"},
		{"FROM a\nCOPY --chmod=99 a b", "Dockerfile:2: COPY --chmod=99: want an octal number from 0 to 7777"},
		{"FROM a\nCOPY --chmod=u?r a b", "Dockerfile:2: COPY --chmod=u?r: want an octal number from 0 to 7777, or such as u=rwX,go=rX"},
		{"FROM a\nCOPY --link --chown=me a b", "Dockerfile:2: COPY --link --chown=me: names are not known in a layer of its own; use numbers"},
		{"FROM a\nADD --checksum=x a b", "Dockerfile:2: ADD --checksum is for URLs and git repositories"},
		{"FROM a\nADD --checksum=x http://a b", "Dockerfile:2: ADD --checksum=x: invalid checksum digest format; want such as sha256:…"},
		{"FROM a\nCOPY <<../x /y\nz\n../x", "Dockerfile:2: COPY <<../x: a file cannot have this name"},
		{"FROM a\nRUN <<EOF\nx", "Dockerfile:2: unterminated heredoc"},
		{"FROM a\nONBUILD ONBUILD RUN x", "Dockerfile:2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"},
		{"FROM a\nCOPY x", "Dockerfile:2: COPY requires at least two arguments, but only one was provided. Destination could not be determined"},
		{"FROM a\nHEALTHCHECK FOO x", `Dockerfile:2: Unknown type "FOO" in HEALTHCHECK (try CMD)`},
		{"FROM a\nRUN x\x00", "Dockerfile: the file has zero bytes in it: it is not a text"},
	}
	for _, tt := range tests {
		_, _, err := planAll([]byte(tt.source), Options{}, nil)
		var e *Error
		if err == nil || err.Error() != tt.want || !errors.As(err, &e) {
			t.Errorf("%q:\ngot  %v\nwant %s", tt.source, err, tt.want)
		}
	}
}

func TestTargetErrors(t *testing.T) {
	_, err := Parse([]byte("FROM a AS build\nFROM b"), Options{TargetStage: "biuld"})
	if want := `Dockerfile: there is no stage "biuld" to be the target (did you mean build?)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Parse([]byte("FROM a"), Options{Args: map[string]string{"SOURCE_DATE_EPOCH": "tomorrow"}})
	if want := `Dockerfile: SOURCE_DATE_EPOCH is "tomorrow": want a number of seconds since 1970`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestTriggerErrors: what a base image asks for is checked like the file.
func TestTriggerErrors(t *testing.T) {
	for _, x := range []string{"ONBUILD RUN x", "FROM x", "MAINTAINER x", "NONSENSE", "RUN a\nRUN b", "", "RUN \x00", "COPY --from=1 a b"} {
		_, _, err := planAll([]byte("FROM a\nRUN x"), Options{}, map[string]Config{"a": {OnBuild: []string{x}}})
		if err == nil || !strings.HasPrefix(err.Error(), "Dockerfile:1: ONBUILD "+strings.Split(visible(x), " ")[0]) {
			t.Errorf("%q: got %v, want an error that has it", x, err)
		}
	}
}

// TestBombs: a few lines must not take all memory.
func TestBombs(t *testing.T) {
	double := "FROM a\nENV A=0123456789\n" + strings.Repeat("ENV A=$A$A\n", 40)
	replace := "FROM a\nENV A=" + strings.Repeat("a", 60000) + "\nENV B=${A//a/$A}\n"
	many := "FROM a\nENV A=" + strings.Repeat("a", 60000) + "\n" + strings.Repeat("LABEL $A$A$A$A$A$A$A$A=x\n", 1000)
	for _, tt := range []struct{ source, want string }{
		{double, "1 MiB"},
		{replace, "1 MiB"},
		{many, "64 MiB"},
		{"FROM a\n" + strings.Repeat("RUN x\n", maxInstructions), "at most 4096"},
		{"FROM a\n" + strings.Repeat("# x\n", maxSource/4), "larger than 4 MiB"},
	} {
		_, _, err := planAll([]byte(tt.source), Options{}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q…: got %v, want an error with %q", tt.source, err, tt.want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	source := []byte("FROM a\nRUN x \\\n  y\n\x1b[31mCOPY\ta b\nRUN z")
	r, err := Parse([]byte("FROM a\nRUN x \\\n  y\nCOPY a b\nRUN z"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	cmds := r.Stages[0].Commands
	tests := []struct {
		at   int
		want string
	}{
		{0, "Dockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN x \\\n   3 | >>>   y\n   4 |     \uFFFD[31mCOPY\ta b\n--------------------\n"},
		{2, "Dockerfile:5\n--------------------\n   3 |       y\n   4 |     \uFFFD[31mCOPY\ta b\n   5 | >>> RUN z\n--------------------\n"},
	}
	for _, tt := range tests {
		if got := Excerpt("Dockerfile", source, cmds[tt.at].Location()); got != tt.want {
			t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
		}
	}
	if got := Excerpt("Dockerfile", []byte("x"), cmds[2].Location()); got != "" {
		t.Errorf("lines that are not there: got %q, want nothing", got)
	}
}
