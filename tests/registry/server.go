// Package registry starts Debian's docker-registry on a loopback port for a
// test, and makes small images without any tool.
//
// Not here: anything that skiff itself needs.
package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Program is the registry of Debian's package docker-registry.
const Program = "docker-registry"

// Options say what kind of registry to start.
type Options struct {
	TLS bool
	// User and Password are asked for if set.
	User, Password string
}

// Server is a running registry.
type Server struct {
	// Host is its address and port.
	Host string
	// CertDir holds ca.crt, in the form of certs.d; "" without TLS.
	CertDir string
	// Blobs is the directory with the registry's content.
	Blobs string

	o      Options
	conf   string
	cmd    *exec.Cmd
	client *http.Client
}

// Start starts a registry, which ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if _, err := exec.LookPath(Program); err != nil {
		t.Skip(Program + " is not installed")
	}
	dir := t.TempDir()
	s := &Server{Host: freeAddress(t), Blobs: filepath.Join(dir, "blobs"), o: o, client: http.DefaultClient}
	conf := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp:\n  addr: %s\n", s.Blobs, s.Host)
	if o.TLS {
		s.CertDir = filepath.Join(dir, "certs")
		cert, key := s.certificate(t)
		conf += fmt.Sprintf("  tls: {certificate: %q, key: %q}\n", cert, key)
	}
	if o.User != "" {
		conf += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", s.htpasswd(t, dir))
	}
	s.conf = filepath.Join(dir, "config.yml")
	if err := os.WriteFile(s.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Run(t)
	t.Cleanup(s.Stop)
	return s
}

// Run starts the registry again after Stop, with the same address and content.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command(Program, "serve", s.conf)
	log, err := os.OpenFile(s.conf+".log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		resp, err := s.client.Get(s.url("/v2/"))
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Stop()
			text, _ := os.ReadFile(s.conf + ".log")
			t.Fatalf("the registry does not answer: %v: %s", err, text)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Stop ends the registry.
func (s *Server) Stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *Server) url(path string) string {
	if s.o.TLS {
		return "https://" + s.Host + path
	}
	return "http://" + s.Host + path
}

func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) htpasswd(t testing.TB, dir string) string {
	hash, err := bcrypt.GenerateFromPassword([]byte(s.o.Password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(path, []byte(s.o.User+":"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate makes a certificate for 127.0.0.1 that vouches for itself.
func (s *Server) certificate(t testing.TB) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test registry"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.CertDir, 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(s.CertDir, "ca.crt"), filepath.Join(filepath.Dir(s.CertDir), "server.key")
	write := func(path, kind string, bytes []byte) {
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(cert, "CERTIFICATE", der)
	write(key, "EC PRIVATE KEY", keyDER)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	return cert, key
}
