// Package registry moves images between registries and the image store, and
// searches and logs in to registries.
//
// Not here: the store itself (rootfs/store), and images in files
// (rootfs/archive).
package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/store"
)

// Uncompressed is the compression format of layers that are sent as they are in
// the store.
const Uncompressed = "uncompressed"

// Session is what all transfers of one request have in common.
type Session struct {
	Req *imagecall.Request
	// Store is nil for requests that need none (search, login, logout).
	Store *store.Store
	// Report is where progress goes.
	Report io.Writer
	// ByDigest pushes to the repository of a name and gives no tag there. Docker: the
	// word push-by-digest of build --output.
	ByDigest bool
	// KeepCompressed has Push leave layers that the registry has in another compression
	// than the one that is asked for.
	KeepCompressed bool

	sys    types.SystemContext
	policy *signature.PolicyContext
	out    *signature.PolicyContext
	// trusting says that the policy takes every image without looking at it.
	trusting bool
}

// NewSession reads the configuration that the request and the environment
// point to. The caller closes the session.
func NewSession(req *imagecall.Request, st *store.Store, progress io.Writer) (*Session, error) {
	s := &Session{Req: req, Store: st, Report: progress}
	if req.Quiet {
		s.Report = io.Discard
	}
	if err := s.context(); err != nil {
		return nil, err
	}
	policy, err := signature.DefaultPolicy(&s.sys)
	if req.PolicyPath == "" && store.NoConfigFile(err) {
		// A machine on which nobody set a policy takes every image, as Docker does.
		policy = acceptAll()
	} else if err != nil {
		return nil, fmt.Errorf("cannot read the signature policy: %w", err)
	}
	s.trusting = trusting(policy)
	if s.policy, err = signature.NewPolicyContext(policy); err != nil {
		return nil, fmt.Errorf("cannot use the signature policy: %w", err)
	}
	if s.out, err = signature.NewPolicyContext(acceptAll()); err != nil {
		return nil, err
	}
	return s, nil
}

func acceptAll() *signature.Policy {
	return &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}
}

func trusting(p *signature.Policy) bool {
	text, err := json.Marshal(p)
	if err != nil {
		return false
	}
	for _, requirement := range []string{"reject", "signedBy", "signedBaseLayer", "sigstoreSigned"} {
		if bytes.Contains(text, []byte(`"type":"`+requirement+`"`)) {
			return false
		}
	}
	return true
}

// Close ends the session.
func (s *Session) Close() {
	_ = s.policy.Destroy()
	_ = s.out.Destroy()
}

func (s *Session) context() error {
	req := s.Req
	s.sys = types.SystemContext{
		SignaturePolicyPath:      req.PolicyPath,
		SystemRegistriesConfPath: req.RegistriesConf,
		AuthFilePath:             req.AuthFile,
		DockerCompatAuthFilePath: req.CompatAuthFile,
		DockerCertPath:           req.CertDir,
		DockerRegistryUserAgent:  "skiff",
		DockerLogMirrorChoice:    true,
	}
	if s.sys.AuthFilePath == "" && s.sys.DockerCompatAuthFilePath == "" {
		s.sys.AuthFilePath = os.Getenv("REGISTRY_AUTH_FILE")
		s.dockerConfig()
	}
	if s.Store != nil {
		s.sys.BigFilesTemporaryDir = s.Store.SpoolDir()
		s.sys.BlobInfoCacheDir = s.Store.SpoolDir()
	}
	if _, err := s.retries(); err != nil {
		return err
	}
	if req.TLSVerify != nil {
		s.sys.DockerInsecureSkipTLSVerify = types.NewOptionalBool(!*req.TLSVerify)
	}
	if req.Username != "" && req.Op != imagecall.OpLogin {
		s.sys.DockerAuthConfig = &types.DockerAuthConfig{Username: req.Username, Password: req.Password}
	}
	s.sys.CompressionLevel = req.CompressionLevel
	if req.CompressionFormat != "" && req.CompressionFormat != Uncompressed {
		algorithm, err := compression.AlgorithmByName(req.CompressionFormat)
		if err != nil {
			return fmt.Errorf("compression format %q is not known: use gzip, zstd or zstd:chunked", req.CompressionFormat)
		}
		s.sys.CompressionFormat = &algorithm
	}
	return s.platform(req.Platform)
}

// dockerConfig makes DOCKER_CONFIG count, which the registry stack leaves to
// its callers. A file of Podman's that was named wins. Where there is no
// config.json yet, only login makes one.
func (s *Session) dockerConfig() {
	dir := os.Getenv("DOCKER_CONFIG")
	if s.sys.AuthFilePath != "" || dir == "" {
		return
	}
	file := filepath.Join(dir, "config.json")
	if _, err := os.Stat(file); err == nil || s.Req.Op == imagecall.OpLogin {
		s.sys.DockerCompatAuthFilePath = file
	}
}

// platform sets what to choose from an index: os/arch[/variant].
func (s *Session) platform(name string) error {
	if name == "" {
		return nil
	}
	p, err := layer.ParsePlatform(name)
	if err == nil {
		s.sys.OSChoice, s.sys.ArchitectureChoice, s.sys.VariantChoice = p.OS, p.Architecture, p.Variant
	}
	return err
}

// Platform is the one that was asked for, else this machine's.
func (s *Session) Platform() layer.Platform {
	p := layer.ThisPlatform()
	if s.sys.ArchitectureChoice != "" {
		p = layer.Platform{OS: s.sys.OSChoice, Architecture: s.sys.ArchitectureChoice, Variant: s.sys.VariantChoice}
	}
	return p
}

// Context is a copy of the session's context for the registry stack.
func (s *Session) Context() *types.SystemContext {
	c := s.sys
	return &c
}

// Out is the policy for images that leave the store: it takes all, since the
// user's own was asked when they came.
func (s *Session) Out() *signature.PolicyContext { return s.out }

// dockerRef makes the registry stack's reference of a full name.
func dockerRef(full string) (types.ImageReference, error) {
	if strings.HasPrefix(full, "[") {
		return nil, fmt.Errorf("cannot use %q: a registry is called by its name or IPv4 address", full)
	}
	return docker.ParseReference("//" + full)
}
