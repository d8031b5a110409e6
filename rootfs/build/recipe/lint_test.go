package recipe

import (
	"slices"
	"strings"
	"testing"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// checked are the warnings of a Dockerfile, as "Rule:line: message".
func checked(t *testing.T, source string, o Options, platform *imgspec.Platform) []Warning {
	t.Helper()
	r, err := Parse([]byte(source), o)
	if err != nil {
		t.Fatalf("%s\n%v", source, err)
	}
	ws, err := r.Check(func(*Stage) (Base, error) { return Base{Platform: platform}, nil })
	if err != nil {
		t.Fatalf("%s\n%v", source, err)
	}
	return ws
}

// TestRules has for each rule a file that it finds fault with and one, nearly the
// same, in which nothing is found.
func TestRules(t *testing.T) {
	ignored, err := IgnoredBy([]string{"secret", "*.log"})
	if err != nil {
		t.Fatal(err)
	}
	arm := &imgspec.Platform{OS: "linux", Architecture: "arm64"}
	amd := &imgspec.Platform{OS: "linux", Architecture: "amd64"}
	tests := []struct {
		rule      string
		line      int
		bad, good string
		message   string
	}{
		{"StageNameCasing", 1, "FROM a AS Base", "FROM a AS base", "Stage name 'Base' should be lowercase"},
		{"FromAsCasing", 1, "FROM a as base", "FROM a AS base", "'as' and 'FROM' keywords' casing do not match"},
		{"NoEmptyContinuation", 4, "FROM a\nRUN x \\\n\n  y", "FROM a\nRUN x \\\n# comment\n  y", "Empty continuation line"},
		{"ConsistentInstructionCasing", 3, "FROM a\nRUN x\nrun y", "from a\nrun x\nrun y", "Command 'run' should match the case of the command majority (uppercase)"},
		{"DuplicateStageName", 2, "FROM a AS x\nFROM b AS x", "FROM a AS x\nFROM b AS y", `Duplicate stage name "x", stage names should be unique`},
		{"ReservedStageName", 1, "FROM a AS context", "FROM a AS contexts", `Stage name should not use the same name as reserved stage "context"`},
		{"JSONArgsRecommended", 2, "FROM a\nCMD x", "FROM a\nCMD [\"x\"]", "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"},
		{"MaintainerDeprecated", 2, "FROM a\nMAINTAINER me", "FROM a\nLABEL maintainer=me", "Maintainer instruction is deprecated in favor of using label"},
		{"UndefinedArgInFrom", 2, "ARG TAG\nFROM a${TGA}", "ARG TAG\nFROM a${TAG}", "FROM argument 'TGA' is not declared (did you mean TAG?)"},
		{"WorkdirRelativePath", 2, "FROM a\nWORKDIR x", "FROM a\nWORKDIR /x\nWORKDIR y", `Relative workdir "x" can have unexpected results if the base image changes`},
		{"UndefinedVar", 2, "FROM a\nCOPY $PAHT /", "FROM a\nCOPY $PATH /", "Usage of undefined variable '$PAHT' (did you mean $PATH?)"},
		{"MultipleInstructionsDisallowed", 2, "FROM a\nCMD [\"x\"]\nCMD [\"y\"]", "FROM a\nCMD [\"x\"]\nFROM a\nCMD [\"y\"]", "Multiple CMD instructions should not be used in the same stage because only the last one will be used"},
		{"LegacyKeyValueFormat", 2, "FROM a\nENV x y", "FROM a\nENV x=y", `"ENV key=value" should be used instead of legacy "ENV key value" format`},
		{"InvalidBaseImagePlatform", 1, "FROM a", "FROM scratch", `Base image a was pulled with platform "linux/arm64", expected "linux/amd64" for current build`},
		{"RedundantTargetPlatform", 1, "FROM --platform=$TARGETPLATFORM a", "FROM --platform=$BUILDPLATFORM a", "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"},
		{"SecretsUsedInArgOrEnv", 2, "FROM a\nENV API_KEY=x", "FROM a\nENV PUBLIC_KEY=x", `Do not use ARG or ENV instructions for sensitive data (ENV "API_KEY")`},
		{"InvalidDefaultArgInFrom", 2, "ARG TAG\nFROM a:$TAG", "ARG TAG=1\nFROM a:$TAG", "Default value for ARG a:$TAG results in empty or invalid base image name"},
		{"FromPlatformFlagConstDisallowed", 1, "FROM --platform=linux/amd64 a AS x", "FROM --platform=linux/amd64 a AS amd64", `FROM --platform flag should not use constant value "linux/amd64"`},
		{"CopyIgnoredFile", 2, "FROM a\nCOPY ./secret /", "FROM a\nCOPY secrets /\nCOPY . /", `Attempting to Copy file "secret" that is excluded by .dockerignore`},
		{"InvalidDefinitionDescription", 4, "# check=experimental=all\n\n# wrong\nFROM a AS x", "# check=experimental=all\n\n# x is right\nFROM a AS x", "Comment for FROM should follow the format: `# x <description>`"},
		{"ExposeProtoCasing", 2, "FROM a\nEXPOSE 1/TCP", "FROM a\nEXPOSE 1/tcp", "Defined protocol '1/TCP' in EXPOSE instruction should be lowercase"},
		{"ExposeInvalidFormat", 2, "FROM a\nEXPOSE 80:81", "FROM a\nEXPOSE 80-81", "EXPOSE instruction should not define an IP address or host-port mapping, found '80:81'"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			o := Options{Build: *amd, Ignored: ignored, Args: map[string]string{}}
			if tt.rule == "InvalidDefaultArgInFrom" {
				o.Args["TAG"] = "given"
			}
			platform := amd
			if tt.rule == "InvalidBaseImagePlatform" {
				platform = arm
			}
			ws := checked(t, tt.bad, o, platform)
			if len(ws) != 1 || ws[0].Rule != tt.rule || ws[0].Message != tt.message || ws[0].Location[0].Start.Line != tt.line {
				t.Errorf("%q:\ngot  %+v\nwant one %s in line %d: %s", tt.bad, ws, tt.rule, tt.line, tt.message)
			}
			if ws := checked(t, tt.good, o, platform); len(ws) != 0 {
				t.Errorf("%q:\ngot  %+v\nwant nothing", tt.good, ws)
			}
		})
	}
}

func TestCheckOptions(t *testing.T) {
	const file = "FROM a AS Base\nCMD x\n"
	tests := []struct {
		name, source string
		args         map[string]string
		want         []string
		fails        bool
	}{
		{"all rules", file, nil, []string{"StageNameCasing", "JSONArgsRecommended"}, false},
		{"one skipped", "# check=skip=StageNameCasing\n" + file, nil, []string{"JSONArgsRecommended"}, false},
		{"all skipped", "# check=skip=all;error=true\n" + file, nil, nil, false},
		{"an error", "# check=error=true\n" + file, nil, []string{"StageNameCasing", "JSONArgsRecommended"}, true},
		{"the build argument wins", "# check=error=true\n" + file, map[string]string{"BUILDKIT_DOCKERFILE_CHECK": "skip=all"}, nil, false},
		{"skipped for one instruction", "FROM a AS Base\n# check=skip=JSONArgsRecommended\nCMD x\n", nil, []string{"StageNameCasing"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Parse([]byte(tt.source), Options{Args: tt.args})
			if err != nil {
				t.Fatal(err)
			}
			ws, err := r.Check(func(*Stage) (Base, error) { return Base{}, nil })
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range ws {
				got = append(got, w.Rule)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("rules: got %v, want %v", got, tt.want)
			}
			if err := r.CheckError(ws); (err != nil) != tt.fails {
				t.Errorf("CheckError: got %v, want an error: %v", err, tt.fails)
			}
		})
	}
	_, err := Parse([]byte(file), Options{Args: map[string]string{"BUILDKIT_DOCKERFILE_CHECK": "nonsense"}})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("options that are none: got %v, want an error", err)
	}
}

func TestIgnoredBy(t *testing.T) {
	tests := []struct {
		patterns []string
		name     string
		want     bool
	}{
		{[]string{"a"}, "a", true},
		{[]string{"a"}, "a/b", true},
		{[]string{"a"}, "b", false},
		{[]string{"a", "!a/b"}, "a", false}, // something of it may be there
		{[]string{"a"}, ".", false},
		{[]string{"*"}, ".", true},
	}
	for _, tt := range tests {
		f, err := IgnoredBy(tt.patterns)
		if err != nil {
			t.Fatal(err)
		}
		if got := f(tt.name); got != tt.want {
			t.Errorf("IgnoredBy(%q)(%q): got %v, want %v", tt.patterns, tt.name, got, tt.want)
		}
	}
	if _, err := IgnoredBy([]string{"["}); err == nil {
		t.Error("a broken pattern: got no error")
	}
}
