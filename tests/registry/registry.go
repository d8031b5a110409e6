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
	// TLS serves https with a certificate of the test's own, see Registry.CA.
	TLS bool
	// User and Password are asked for where User is not empty.
	User, Password string
}

// Registry is a running registry.
type Registry struct {
	// Addr is host:port.
	Addr string
	// CA is a PEM file to trust, where Options.TLS is set.
	CA string

	options Options
	client  *http.Client
	cmd     *exec.Cmd
	log     *bytes.Buffer
	ended   chan struct{}
}

// Start runs a registry for as long as the test, in a directory of the test's.
func Start(t testing.TB, o Options) *Registry {
	t.Helper()
	if _, err := exec.LookPath("docker-registry"); err != nil {
		t.Skip("docker-registry is not installed")
	}
	r, err := Serve(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

// Serve runs a registry that keeps its data below dir, until Stop. It ends with
// the calling process at the latest.
func Serve(dir string, o Options) (*Registry, error) {
	var err error
	for range 3 { // another program may take the port between choice and use
		var r *Registry
		if r, err = serve(dir, o); err == nil {
			return r, nil
		}
	}
	return nil, err
}

func serve(dir string, o Options) (*Registry, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r := &Registry{
		Addr: net.JoinHostPort("127.0.0.1", port), options: o, client: &http.Client{Transport: direct{}},
		log: new(bytes.Buffer), ended: make(chan struct{}),
	}
	config, err := r.config(dir)
	if err != nil {
		return nil, err
	}
	r.cmd = exec.Command("docker-registry", "serve", config)
	r.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start docker-registry: %w", err)
	}
	go func() {
		r.cmd.Wait()
		close(r.ended)
	}()
	if err := r.await(); err != nil {
		r.Stop()
		return nil, fmt.Errorf("%w\n%s", err, r.log.String())
	}
	return r, nil
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
func (r *Registry) config(dir string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\n")
	fmt.Fprintf(&b, "storage:\n  filesystem: {rootdirectory: %q}\n  delete: {enabled: true}\n", filepath.Join(dir, "data"))
	fmt.Fprintf(&b, "http:\n  addr: %q\n  secret: tests\n", r.Addr)
	if r.options.TLS {
		cert, key, err := certificate(dir)
		if err != nil {
			return "", err
		}
		r.CA = cert
		fmt.Fprintf(&b, "  tls: {certificate: %q, key: %q}\n", cert, key)
		config, err := trusting(cert)
		if err != nil {
			return "", err
		}
		r.client.Transport = direct{tls: config}
	}
	if r.options.User != "" {
		users, err := exec.Command("htpasswd", "-Bbn", r.options.User, r.options.Password).Output()
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
func (r *Registry) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		resp, err := r.do(http.MethodGet, "/v2/", "", nil)
		if err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-r.ended:
			return errors.New("docker-registry ended at once")
		case <-ctx.Done():
			return fmt.Errorf("docker-registry does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the registry.
func (r *Registry) Stop() {
	r.cmd.Process.Kill() // by handle: the runtime holds a pidfd
	<-r.ended
}

// URL is the registry's address for HTTP clients.
func (r *Registry) URL() string {
	if r.options.TLS {
		return "https://" + r.Addr
	}
	return "http://" + r.Addr
}
