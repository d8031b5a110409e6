package layer

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"skiff/state"
)

// Platform is what an image is made for. An empty field is not known or does not
// matter.
type Platform struct{ OS, Architecture, Variant string }

func (p Platform) String() string {
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}

// ThisPlatform is this machine's.
func ThisPlatform() Platform { return Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH} }

// ParsePlatform reads os/arch[/variant] or arch, also in the words of uname and of
// distributions; "" is this machine's.
func ParsePlatform(s string) (Platform, error) {
	if s == "" {
		return ThisPlatform(), nil
	}
	parts := strings.Split(s, "/")
	if len(parts) == 1 {
		parts = []string{"linux", parts[0]}
	}
	for _, part := range parts {
		if len(parts) > 3 || part == "" || strings.ContainsAny(part, " \t\n") {
			return Platform{}, fmt.Errorf("invalid platform %q: use OS/ARCH or OS/ARCH/VARIANT", s)
		}
	}
	p := Platform{OS: parts[0], Architecture: architecture(parts[1])}
	if len(parts) == 3 {
		p.Variant = parts[2]
	} else if parts[1] == "armhf" {
		p.Variant = "v7"
	}
	return p, nil
}

// architecture gives the OCI's word for what uname and distributions say.
func architecture(a string) string {
	switch a {
	case "x86_64", "x86-64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armhf", "armel":
		return "arm"
	case "i386", "i686", "x86":
		return "386"
	}
	return a
}

// variants are those of an architecture that run where want does, the best first.
func variants(arch, want string) []string {
	known := map[string][]string{"arm": {"v8", "v7", "v6", "v5"}, "arm64": {"v8"}, "amd64": {"v1"}}[arch]
	if want == "" {
		if arch == "arm" {
			known = known[1:] // what 32-bit machines are
		}
		return append([]string{""}, known...)
	}
	if i := slices.Index(known, want); i >= 0 {
		return append(slices.Clone(known[i:]), "")
	}
	return []string{want, ""}
}

// Choose gives the instance of an index for a platform, or nil.
func Choose(x *state.Index, p Platform) *state.Instance {
	for _, variant := range variants(p.Architecture, p.Variant) {
		for i := range x.Instances {
			in := &x.Instances[i]
			if in.OS == p.OS && in.Architecture == p.Architecture && in.Variant == variant && in.ArtifactType == "" {
				return in
			}
		}
	}
	return nil
}

// NoInstance says that the image that a list names for a platform is not here.
type NoInstance struct {
	List string
	Platform
	// Pull is the name by which it can be pulled, if the list says where it is.
	Pull string
}

func (e *NoInstance) Error() string {
	if e.Pull == "" {
		return fmt.Sprintf("%s: the list has no image for the platform %s here: image not known", e.List, e.Platform)
	}
	return fmt.Sprintf("%s: the list's image for the platform %s is not here: pull %s", e.List, e.Platform, e.Pull)
}

// Is makes errors.Is(err, state.ErrNotFound) true.
func (e *NoInstance) Is(target error) bool { return target == state.ErrNotFound }

// LookupImage is Lookup for who needs an image that can be run or read: of a list it
// gives the image for the platform (NoInstance where that is not here). full
// stays the name by which the list was found.
func (im Images) LookupImage(ref string, p Platform) (img *state.Image, full string, err error) {
	img, full, err = im.Lookup(ref)
	if err != nil || img.Index == nil {
		return img, full, err
	}
	img, err = im.Instance(img, p)
	var none *NoInstance
	if errors.As(err, &none) {
		none.List = ref
	}
	return img, full, err
}

// Instance gives the image that a list names for a platform, if it is here: else
// NoInstance.
func (im Images) Instance(list *state.Image, p Platform) (*state.Image, error) {
	none := &NoInstance{List: list.ID, Platform: p}
	in := Choose(list.Index, p)
	if in == nil {
		return nil, none
	}
	images, err := im.List()
	if err != nil {
		return nil, err
	}
	for _, img := range images {
		if img.Index == nil && HasDigest(img, in.Digest) {
			return img, nil
		}
	}
	if source, ok := strings.CutPrefix(in.Source, "docker://"); ok {
		if r, err := ParseReference(source); err == nil {
			none.Pull = r.Repository() + "@" + in.Digest
		}
	}
	return nil, none
}

// HasDigest reports whether a manifest of the image has this digest.
func HasDigest(img *state.Image, digest string) bool {
	return img.Digest == digest || slices.ContainsFunc(img.RepoDigests, func(name string) bool {
		return strings.HasSuffix(name, "@"+digest)
	})
}
