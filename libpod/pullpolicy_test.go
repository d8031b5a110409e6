package libpod

import (
	"testing"

	"skiff/state"
)

func TestFits(t *testing.T) {
	amd := &state.Image{OS: "linux", Architecture: "amd64"}
	arm := &state.Image{OS: "linux", Architecture: "arm64", Variant: "v8"}
	for _, c := range []struct {
		img      *state.Image
		platform string
		want     bool
	}{
		{amd, "", true}, {amd, "linux/amd64", true}, {amd, "amd64", true}, {amd, "linux/x86_64", true}, {amd, "linux/amd64/v2", true},
		{amd, "linux/arm64", false}, {amd, "windows/amd64", false}, {amd, "linux/nosuch", false},
		{arm, "linux/arm64", true}, {arm, "linux/aarch64", true}, {arm, "linux/arm64/v8", true}, {arm, "linux/arm64/v9", false},
	} {
		if got := fits(c.img, c.platform); got != c.want {
			t.Errorf("%s/%s for %q: got %v", c.img.OS, c.img.Architecture, c.platform, got)
		}
	}
}
