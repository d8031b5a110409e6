package recipe

import (
	"fmt"
	"runtime"
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ParsePlatform reads OS, ARCHITECTURE, OS/ARCHITECTURE or
// OS/ARCHITECTURE/VARIANT. Docker: --platform.
func ParsePlatform(s string) (imgspec.Platform, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	for _, p := range parts {
		if p == "" || len(parts) > 3 || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
			return imgspec.Platform{}, fmt.Errorf("invalid platform %q: want OS/ARCHITECTURE[/VARIANT] such as linux/arm64", s)
		}
	}
	if len(parts) == 3 {
		p := NormalPlatform(imgspec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]})
		if p.Architecture == "arm64" && p.Variant == "" {
			p.Variant = "v8" // who writes it wants it in TARGETVARIANT
		}
		return p, nil
	}
	p := imgspec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	switch {
	case len(parts) == 2:
		p.OS, p.Architecture = parts[0], parts[1]
	case knownSystem(parts[0]):
		p.OS = parts[0]
	case knownMachine(parts[0]):
		p.Architecture = parts[0]
	default:
		return imgspec.Platform{}, fmt.Errorf("invalid platform %q: neither an operating system nor an architecture", s)
	}
	p = NormalPlatform(p)
	if p.Architecture == "arm" && p.Variant == "v7" {
		p.Variant = ""
	}
	return p, nil
}

func knownSystem(s string) bool {
	switch s {
	case "linux", "windows", "darwin", "macos", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "illumos", "aix", "plan9", "android", "js", "wasip1":
		return true
	}
	return false
}

func knownMachine(s string) bool {
	switch NormalPlatform(imgspec.Platform{Architecture: s}).Architecture {
	case "386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le",
		"ppc64", "ppc64le", "riscv64", "s390x", "sparc64", "wasm":
		return true
	}
	return false
}

// NormalPlatform gives the names that images are made with to systems and
// machines that have several.
func NormalPlatform(p imgspec.Platform) imgspec.Platform {
	if p.OS == "macos" {
		p.OS = "darwin"
	}
	switch p.Architecture {
	case "i386", "i486", "i586", "i686":
		p.Architecture, p.Variant = "386", ""
	case "x86_64", "x86-64", "amd64":
		p.Architecture = "amd64"
		if p.Variant == "v1" {
			p.Variant = ""
		}
	case "aarch64", "arm64":
		p.Architecture = "arm64"
		if p.Variant == "8" || p.Variant == "v8" || p.Variant == "v8.0" {
			p.Variant = ""
		}
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	case "arm":
		if p.Variant == "" {
			p.Variant = "v7"
		} else if len(p.Variant) == 1 && p.Variant >= "5" && p.Variant <= "8" {
			p.Variant = "v" + p.Variant
		}
	}
	return p
}

// FormatPlatform is OS/ARCHITECTURE[/VARIANT].
func FormatPlatform(p imgspec.Platform) string {
	if p.OS == "" {
		return "unknown"
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// platforms fills in the platforms that the caller left to this machine.
func (o *Options) platforms() {
	if o.Build.OS == "" {
		o.Build = imgspec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	if o.Target.OS == "" {
		o.Target = o.Build
	}
}
