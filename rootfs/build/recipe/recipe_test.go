package recipe

import (
	"slices"
	"testing"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestPlatforms(t *testing.T) {
	tests := []struct{ in, want string }{
		{"linux/amd64", "linux/amd64"},
		{"linux/x86_64", "linux/amd64"},
		{"Linux/ARM64", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64/v8"},
		{"aarch64", "linux/arm64"},
		{"linux/arm", "linux/arm"},
		{"linux/arm/7", "linux/arm/v7"},
		{"armhf", "linux/arm"},
		{"armel", "linux/arm/v6"},
		{"i386", "linux/386"},
		{"s390x", "linux/s390x"},
		{"macos/arm64", "darwin/arm64"},
	}
	for _, tt := range tests {
		p, err := ParsePlatform(tt.in)
		if got := FormatPlatform(p); err != nil || got != tt.want {
			t.Errorf("ParsePlatform(%q): got %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	for _, bad := range []string{"", "/", "linux/", "a/b/c/d", "none", "linux/a b"} {
		if p, err := ParsePlatform(bad); err == nil {
			t.Errorf("ParsePlatform(%q): got %+v, want an error", bad, p)
		}
	}
}

func TestWanted(t *testing.T) {
	const file = `FROM a AS one
FROM b AS two
COPY --from=one x y
FROM c AS three
FROM two AS four
RUN --mount=from=three,target=/x y
FROM d AS five
ONBUILD COPY --from=one x y
FROM five AS six
`
	tests := []struct {
		target string
		want   []int
	}{
		{"", []int{0, 4, 5}},
		{"four", []int{0, 1, 2, 3}},
		{"FOUR", []int{0, 1, 2, 3}},
		{"1", []int{0, 1}},
		{"one", []int{0}},
		{"five", []int{4}},
	}
	for _, tt := range tests {
		r, err := Parse([]byte(file), Options{TargetStage: tt.target})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Wanted(); !slices.Equal(got, tt.want) {
			t.Errorf("target %q: got %v, want %v", tt.target, got, tt.want)
		}
	}
}

func TestUnusedArgs(t *testing.T) {
	given := map[string]string{}
	for _, k := range []string{"META", "STAGE", "UNWANTED", "NOWHERE", "ALSO", "no_proxy", "BUILDKIT_INLINE_CACHE", "TARGETARCH", "SOURCE_DATE_EPOCH"} {
		given[k] = "1"
	}
	r, plans, err := planAll([]byte("ARG META\nFROM a\nARG UNWANTED\nFROM a\nARG STAGE\n"), Options{Args: given}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := r.UnusedArgs([]*Plan{plans[1]})
	if want := []string{"ALSO", "NOWHERE", "UNWANTED"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := UnusedArgsWarning(got), "[Warning] One or more build-args [ALSO NOWHERE UNWANTED] were not consumed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r.Epoch == nil || *r.Epoch != 1 {
		t.Errorf("SOURCE_DATE_EPOCH: got %v, want 1", r.Epoch)
	}
}

func TestCheckStopsAtABase(t *testing.T) {
	r, err := Parse([]byte("FROM a AS X\nCMD x\nFROM b\nCMD y"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	ws, err := r.Check(func(s *Stage) (Base, error) {
		asked = append(asked, s.BaseName)
		if s.BaseName == "b" {
			return Base{}, errEnvTooLarge
		}
		return Base{Platform: &imgspec.Platform{OS: "linux", Architecture: "m68k"}}, nil
	})
	if want := "Dockerfile:3: " + errEnvTooLarge.Error(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	var rules []string
	for _, w := range ws {
		rules = append(rules, w.Rule)
	}
	if want := []string{"StageNameCasing", "InvalidBaseImagePlatform", "JSONArgsRecommended"}; !slices.Equal(rules, want) {
		t.Errorf("rules: got %v, want %v", rules, want)
	}
	if want := []string{"a", "b"}; !slices.Equal(asked, want) {
		t.Errorf("bases: got %v, want %v", asked, want)
	}
}
