// Package registry runs the distribution's docker-registry on a free loopback
// port, for tests: over http or https, with or without a password, and filled
// from OCI archives.
//
// Not here: a registry that misbehaves (the tests of rootfs/registry make it).
package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options say what kind of registry it is; the zero value is plain and open.
type Options struct {
	// TLS serves https with a certificate of the test's own, see Server.CertDir.
	TLS bool
	// User and Password are asked for where User is not empty.
	User, Password string
}

// Server is a running registry.
type Server struct {
	// Host is its address and port.
	Host string
	// CertDir holds ca.crt, in the form of certs.d; empty without TLS.
	CertDir string
	// Blobs is the directory with the registry's content.
	Blobs string

	o      Options
	client *http.Client
	conf   string
	cmd    *exec.Cmd
	log    *bytes.Buffer
	ended  chan struct{}
}

// Start runs a registry for as long as the test, in a directory of the test's.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if _, err := exec.LookPath("docker-registry"); err != nil {
		t.Skip("docker-registry is not installed")
	}
	s, err := Serve(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Serve runs a registry that keeps its data below dir, until Stop. It ends with
// the calling process at the latest.
func Serve(dir string, o Options) (*Server, error) {
	var err error
	for range 3 { // another program may take the port between choice and use
		var s *Server
		if s, err = serve(dir, o); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func serve(dir string, o Options) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{
		Host: net.JoinHostPort("127.0.0.1", port), Blobs: filepath.Join(dir, "blobs"), o: o,
		client: &http.Client{Transport: direct{}},
	}
	config, err := s.config(dir)
	if err != nil {
		return nil, err
	}
	s.conf = config
	if err := s.run(); err != nil {
		return nil, err
	}
	return s, nil
}

// run starts the program and returns when it answers.
func (s *Server) run() error {
	s.log, s.ended = new(bytes.Buffer), make(chan struct{})
	s.cmd = exec.Command("docker-registry", "serve", s.conf)
	s.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start docker-registry: %w", err)
	}
	cmd, ended := s.cmd, s.ended
	go func() {
		cmd.Wait()
		close(ended)
	}()
	if err := s.await(); err != nil {
		s.Stop()
		return fmt.Errorf("%w\n%s", err, s.log.String())
	}
	return nil
}

// Run starts the registry again after Stop, with the same address and content.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// config writes the registry's configuration and what it names.
func (s *Server) config(dir string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\n")
	fmt.Fprintf(&b, "storage:\n  filesystem: {rootdirectory: %q}\n  delete: {enabled: true}\n", s.Blobs)
	fmt.Fprintf(&b, "http:\n  addr: %q\n  secret: tests\n", s.Host)
	if s.o.TLS {
		cert, key, err := certificate(dir)
		if err != nil {
			return "", err
		}
		s.CertDir = filepath.Dir(cert)
		fmt.Fprintf(&b, "  tls: {certificate: %q, key: %q}\n", cert, key)
		config, err := trusting(cert)
		if err != nil {
			return "", err
		}
		s.client.Transport = direct{tls: config}
	}
	if s.o.User != "" {
		users, err := exec.Command("htpasswd", "-Bbn", s.o.User, s.o.Password).Output()
		if err != nil {
			return "", fmt.Errorf("cannot make a password file with htpasswd: %w", err)
		}
		file := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(file, users, 0o600); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "auth:\n  htpasswd: {realm: tests, path: %q}\n", file)
	}
	file := filepath.Join(dir, "config.yml")
	return file, os.WriteFile(file, []byte(b.String()), 0o600)
}

// await returns when the registry answers.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		resp, err := s.do(http.MethodGet, "/v2/", "", nil)
		if err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("docker-registry ended at once")
		case <-ctx.Done():
			return fmt.Errorf("docker-registry does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the registry.
func (s *Server) Stop() {
	s.cmd.Process.Kill() // by handle: the runtime holds a pidfd
	<-s.ended
}

func (s *Server) url(path string) string {
	if s.o.TLS {
		return "https://" + s.Host + path
	}
	return "http://" + s.Host + path
}
