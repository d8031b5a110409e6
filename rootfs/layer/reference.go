package layer

import (
	"fmt"
	"strings"

	"skiff/state"
)

// Registries and tags that a reference without them means.
const (
	dockerHub  = "docker.io"
	localHost  = "localhost"
	defaultTag = "latest"
)

// Reference is an image's name, taken apart:
// [Domain/]Path[:Tag][@Digest], as the OCI distribution spec and Docker have it.
type Reference struct {
	// Domain is the registry's host and port; empty in a short name.
	Domain string
	Path   string
	Tag    string
	// Digest is algorithm:hex.
	Digest string
}

// ParseReference takes a name apart. It adds nothing: a short name has no
// Domain, and without a tag Tag is empty. The error is state.ErrInvalid.
func ParseReference(s string) (Reference, error) {
	r, problem := parse(s)
	if problem != "" {
		return Reference{}, &badReference{s, problem}
	}
	return r, nil
}

// badReference is state.ErrInvalid without its word at the end.
type badReference struct{ ref, problem string }

func (e *badReference) Error() string {
	return fmt.Sprintf("invalid reference %q: %s", e.ref, e.problem)
}

func (e *badReference) Is(target error) bool { return target == state.ErrInvalid }

func parse(s string) (r Reference, problem string) {
	rest := s
	if i := strings.IndexByte(rest, '@'); i >= 0 {
		rest, r.Digest = rest[:i], rest[i+1:]
		if !validDigest(r.Digest) {
			return r, "the digest is not of the form sha256:<64 hex digits>"
		}
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		rest, r.Tag = rest[:i], rest[i+1:]
		if !validTag(r.Tag) {
			return r, "the tag is not valid"
		}
	}
	r.Path = rest
	if i := strings.IndexByte(rest, '/'); i >= 0 && isDomain(rest[:i]) {
		r.Domain, r.Path = rest[:i], rest[i+1:]
		if !validDomain(r.Domain) {
			return r, "the registry's name is not valid"
		}
		if r.Domain == "index.docker.io" {
			r.Domain = dockerHub
		}
	}
	if r.Path == "" {
		return r, "the name is empty"
	}
	if r.Path != strings.ToLower(r.Path) {
		return r, "repository name must be lowercase"
	}
	if len(rest) > 255 {
		return r, "the name is longer than 255 characters"
	}
	for _, part := range strings.Split(r.Path, "/") {
		if !validPart(part) {
			return r, "the name is not valid"
		}
	}
	if r.Domain == dockerHub {
		r = r.In(dockerHub)
	}
	return r, ""
}

// isDomain is Docker's rule for telling a registry from the first part of a path.
func isDomain(s string) bool {
	return strings.ContainsAny(s, ".:[") || s == localHost
}

func validDomain(s string) bool {
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		i := strings.IndexByte(s, ']')
		if i < 0 || strings.Trim(s[1:i], "0123456789abcdefABCDEF:.") != "" {
			return false
		}
		host, port = "", s[i+1:]
		if port != "" && port[0] != ':' {
			return false
		}
		port = strings.TrimPrefix(port, ":")
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i+1:]
		if port == "" {
			return false
		}
	}
	if strings.Trim(port, "0123456789") != "" {
		return false
	}
	if strings.HasPrefix(s, "[") {
		return true
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if !isAlnum(c) && !(c >= 'A' && c <= 'Z') && c != '-' {
				return false
			}
		}
	}
	return true
}

// validPart checks one component of a path: runs of letters and digits, with
// one of ".", "_", "__" or any number of "-" between two runs.
func validPart(s string) bool {
	run := 0 // length of the separator at hand
	for i, c := range s {
		switch {
		case isAlnum(c):
			run = 0
		case i == 0:
			return false
		case c == '-':
			if run > 0 && s[i-1] != '-' {
				return false
			}
			run++
		case c == '.':
			if run > 0 {
				return false
			}
			run++
		case c == '_':
			if run > 1 || run == 1 && s[i-1] != '_' {
				return false
			}
			run++
		default:
			return false
		}
	}
	return s != "" && run == 0
}

func validTag(s string) bool {
	for i, c := range s {
		word := isAlnum(c) || c >= 'A' && c <= 'Z' || c == '_'
		if !word && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

func validDigest(s string) bool {
	algorithm, hex, ok := strings.Cut(s, ":")
	if !ok || algorithm == "" || !isHex(hex) {
		return false
	}
	switch algorithm {
	case "sha256":
		return len(hex) == 64
	case "sha384":
		return len(hex) == 96
	case "sha512":
		return len(hex) == 128
	}
	return false
}

func isAlnum(c rune) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef") == ""
}

// In gives the reference as it is called at registry domain.
func (r Reference) In(domain string) Reference {
	r.Domain = domain
	if domain == dockerHub && !strings.ContainsRune(r.Path, '/') {
		r.Path = "library/" + r.Path
	}
	return r
}

// Complete adds the tag "latest" where there is neither a tag nor a digest. With
// a digest the tag says nothing and is dropped.
func (r Reference) Complete() Reference {
	if r.Digest != "" {
		r.Tag = ""
	} else if r.Tag == "" {
		r.Tag = defaultTag
	}
	return r
}

// Repository is the name without tag and digest.
func (r Reference) Repository() string {
	if r.Domain == "" {
		return r.Path
	}
	return r.Domain + "/" + r.Path
}

func (r Reference) String() string {
	s := r.Repository()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// Normalize gives the full reference: registry, path, and tag or digest. A
// short name is Docker Hub's. The error is state.ErrInvalid.
func Normalize(ref string) (string, error) {
	r, err := ParseReference(ref)
	if err != nil {
		return "", err
	}
	if r.Domain == "" {
		r = r.In(dockerHub)
	}
	return r.Complete().String(), nil
}

// NormalizeLocal is Normalize for images that are made here (tag, build, load,
// import): a short name is localhost's.
func NormalizeLocal(ref string) (string, error) {
	r, err := ParseReference(ref)
	if err != nil {
		return "", err
	}
	if r.Domain == "" {
		r = r.In(localHost)
	}
	return r.Complete().String(), nil
}

// InFile reports whether a name is of an image in a file or directory, such as
// docker-archive:PATH or dir:PATH. An image of the store may have it too.
func InFile(name string) bool {
	transport, _, found := strings.Cut(name, ":")
	switch transport {
	case "dir", "oci", "oci-archive", "docker-archive":
		return found
	}
	return false
}
