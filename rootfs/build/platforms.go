package build

import (
	"runtime"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/build/recipe"
	"skiff/state"
)

// hostPlatform is this machine's.
func hostPlatform() imgspec.Platform {
	p, _ := recipe.ParsePlatform("linux/" + runtime.GOARCH)
	return p
}

// platforms are those to build for: this machine's if none is given.
func (b *Builder) platforms() ([]imgspec.Platform, error) {
	if len(b.opt.Platform) == 0 {
		return []imgspec.Platform{b.host}, nil
	}
	var list []imgspec.Platform
	seen := map[string]bool{}
	for _, given := range b.opt.Platform {
		p, err := recipe.ParsePlatform(given)
		if err != nil {
			return nil, err
		}
		if name := recipe.FormatPlatform(p); !seen[name] {
			seen[name] = true
			list = append(list, p)
		}
	}
	return list, nil
}

// fits reports whether an image is for a platform.
func fits(img *state.Image, p imgspec.Platform) bool {
	have := recipe.NormalPlatform(imgspec.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant})
	return have.OS == p.OS && have.Architecture == p.Architecture && (have.Variant == p.Variant || img.Variant == "")
}
