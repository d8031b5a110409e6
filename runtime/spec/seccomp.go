package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/runtime/hostfacts"
)

// seccomp sets the filter of system calls: Docker's default profile, or the
// user's in Docker's format.
func (b *builder) seccomp() error {
	given := b.cfg.Security.Seccomp
	if given == "unconfined" || given == "" && b.privileged() {
		return nil
	}
	if !b.in.Host.Seccomp {
		if given != "" {
			return errors.New("cannot use the seccomp profile: this machine's kernel has no seccomp")
		}
		b.in.Warn("this machine's kernel has no seccomp; the container runs without a filter of system calls")
		return nil
	}
	profile := seccomp.DefaultProfile()
	if given != "" {
		profile = &seccomp.Seccomp{}
		if err := json.Unmarshal([]byte(given), profile); err != nil {
			return fmt.Errorf("cannot read the seccomp profile%s: %v", named(b.cfg.Security.SeccompPath), err)
		}
	}
	out, err := expand(profile, b.out.Process.Capabilities.Bounding, b.in.Host.Kernel)
	if err != nil {
		return fmt.Errorf("cannot use the seccomp profile%s: %w", named(b.cfg.Security.SeccompPath), err)
	}
	b.out.Linux.Seccomp = out
	return nil
}

// named is the profile's path for a message; empty where there is none.
func named(path string) string {
	if path == "" {
		return ""
	}
	return fmt.Sprintf(" %q", path)
}

// expand picks the rules of a profile that are for these capabilities, this
// architecture and this kernel.
func expand(p *seccomp.Seccomp, caps []string, kernel hostfacts.Version) (*specs.LinuxSeccomp, error) {
	if p.DefaultAction == "" && len(p.Syscalls) == 0 {
		return nil, nil // an empty profile is none
	}
	if len(p.Architectures) > 0 && len(p.ArchMap) > 0 {
		return nil, errors.New("it has both architectures and archMap")
	}
	out := p.LinuxSeccomp
	out.Syscalls = nil
	for _, a := range p.ArchMap {
		if a.Arch == nativeArch() {
			out.Architectures = append([]specs.Arch{a.Arch}, a.SubArches...)
			break
		}
	}
	for _, rule := range p.Syscalls {
		if rule == nil {
			continue
		}
		call := rule.LinuxSyscall
		if rule.Name != "" {
			if len(call.Names) > 0 {
				return nil, errors.New("a rule has both name and names")
			}
			call.Names = []string{rule.Name}
		}
		if applies(rule, caps, kernel) {
			out.Syscalls = append(out.Syscalls, call)
		}
	}
	return &out, nil
}

// applies: a rule is left out if anything in Excludes holds or anything in
// Includes does not.
func applies(rule *seccomp.Syscall, caps []string, kernel hostfacts.Version) bool {
	newer := func(v *seccomp.KernelVersion) bool { return kernel.AtLeast(int(v.Kernel), int(v.Major)) }
	has := func(c string) bool { return slices.Contains(caps, c) }
	if x := rule.Excludes; x != nil {
		if slices.Contains(x.Arches, runtime.GOARCH) || slices.ContainsFunc(x.Caps, has) ||
			x.MinKernel != nil && newer(x.MinKernel) {
			return false
		}
	}
	if i := rule.Includes; i != nil {
		if len(i.Arches) > 0 && !slices.Contains(i.Arches, runtime.GOARCH) {
			return false
		}
		if slices.ContainsFunc(i.Caps, func(c string) bool { return !has(c) }) {
			return false
		}
		if i.MinKernel != nil && !newer(i.MinKernel) {
			return false
		}
	}
	return true
}

// nativeArch is the running program's architecture in libseccomp's words.
func nativeArch() specs.Arch {
	switch runtime.GOARCH {
	case "amd64":
		return specs.ArchX86_64
	case "386":
		return specs.ArchX86
	case "arm64":
		return specs.ArchAARCH64
	case "arm":
		return specs.ArchARM
	case "ppc64le":
		return specs.ArchPPC64LE
	case "riscv64":
		return specs.ArchRISCV64
	case "s390x":
		return specs.ArchS390X
	}
	return ""
}
