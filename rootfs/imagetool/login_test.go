package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skiff/rootfs/imagecall"
	registry "skiff/tests/registry"
)

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

func TestLoginAndLogout(t *testing.T) {
	srv := registry.Start(t, registry.Options{User: "me", Password: "secret"})
	tl := newTool(t)
	auth := filepath.Join(t.TempDir(), "auth.json")
	login := func(user, password string) imagecall.Request {
		return imagecall.Request{Op: imagecall.OpLogin, Registry: srv.Host, Username: user, Password: password, AuthFile: auth}
	}
	says := func(req imagecall.Request, want string) {
		t.Helper()
		if res := tl.must(t, req); res.Login != want {
			t.Errorf("got %q, want %q", res.Login, want)
		}
	}
	srv.Push(t, "private", "1", simple(t, "gzip").Build(t))
	pull := pullOf(srv.Host + "/private:1")
	pull.AuthFile = auth
	tl.fails(t, pull, imagecall.FailAuth, "unauthorized: authentication required")
	tl.fails(t, login("me", "wrong"), imagecall.FailAuth, fmt.Sprintf("logging into %q: invalid username/password", srv.Host))
	if _, err := os.Stat(auth); err == nil {
		t.Error("wrong credentials were stored")
	}
	says(login("", ""), "")
	says(login("me", "secret"), "Login Succeeded!")
	says(login("", ""), "Existing credentials are valid. Already logged in to "+srv.Host)
	get := login("", "")
	get.GetLogin = true
	says(get, "me")
	tl.must(t, pull)

	out := login("", "")
	out.Op = imagecall.OpLogout
	says(out, "Removed login credentials for "+srv.Host)
	tl.fails(t, out, imagecall.FailNotFound, "not logged into "+srv.Host)
	tl.fails(t, get, imagecall.FailOther, "not logged into "+srv.Host)
	tl.fails(t, pull, imagecall.FailAuth, "authentication required")
	says(login("me", "secret"), "Login Succeeded!")
	out.Registry, out.All = "", true
	says(out, "Removed login credentials for all registries")
	tl.fails(t, pull, imagecall.FailAuth, "authentication required")

	docker := filepath.Join(t.TempDir(), "new")
	t.Setenv("DOCKER_CONFIG", docker)
	in := login("me", "secret")
	in.AuthFile = ""
	says(in, "Login Succeeded!")
	if b, err := os.ReadFile(filepath.Join(docker, "config.json")); err != nil || !strings.Contains(string(b), "bWU6c2VjcmV0") {
		t.Errorf("DOCKER_CONFIG: got %q, %v", b, err)
	}
	out.AuthFile, out.All, out.Registry = "", false, srv.Host
	says(out, "Removed login credentials for "+srv.Host)

	both := login("me", "secret")
	both.CompatAuthFile = auth
	tl.fails(t, both, imagecall.FailOther, "can not be set simultaneously")
	srv.Stop()
	tl.fails(t, login("me", "secret"), imagecall.FailOther, "connection refused")
}

func TestCredentialsOfTheEcosystem(t *testing.T) {
	srv := registry.Start(t, registry.Options{User: "me", Password: "secret"})
	srv.Push(t, "private", "1", simple(t, "gzip").Build(t))
	file, _ := json.Marshal(map[string]any{"auths": map[string]any{srv.Host: map[string]string{"auth": "bWU6c2VjcmV0"}}})
	for what, place := range map[string]func(t *testing.T, req *imagecall.Request){
		"REGISTRY_AUTH_FILE": func(t *testing.T, _ *imagecall.Request) {
			t.Setenv("REGISTRY_AUTH_FILE", write(t, filepath.Join(t.TempDir(), "a.json"), string(file)))
		},
		"DOCKER_CONFIG": func(t *testing.T, _ *imagecall.Request) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "config.json"), string(file))
			t.Setenv("DOCKER_CONFIG", dir)
		},
		"docker's file": func(t *testing.T, _ *imagecall.Request) {
			write(t, filepath.Join(os.Getenv("HOME"), ".docker", "config.json"), string(file))
		},
		"--creds": func(_ *testing.T, req *imagecall.Request) { req.Username, req.Password = "me", "secret" },
		"--compat-auth-file": func(t *testing.T, req *imagecall.Request) {
			req.CompatAuthFile = write(t, filepath.Join(t.TempDir(), "a.json"), string(file))
		},
		"credential helper": func(t *testing.T, req *imagecall.Request) {
			dir := t.TempDir()
			helper := write(t, filepath.Join(dir, "docker-credential-test"), "#!/bin/sh\nread host\necho '{\"ServerURL\":\"'$host'\",\"Username\":\"me\",\"Secret\":\"secret\"}'\n")
			if err := os.Chmod(helper, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			req.AuthFile = write(t, filepath.Join(dir, "a.json"), fmt.Sprintf(`{"credHelpers":{%q:"test"}}`, srv.Host))
		},
	} {
		t.Run(what, func(t *testing.T) {
			tl := newTool(t)
			req := pullOf(srv.Host + "/private:1")
			place(t, &req)
			tl.must(t, req)
		})
	}
}

func TestTLS(t *testing.T) {
	srv := registry.Start(t, registry.Options{TLS: true})
	srv.Push(t, "tls", "1", simple(t, "gzip").Build(t))
	tl := newTool(t)
	req := pullOf(srv.Host + "/tls:1")
	tl.fails(t, req, imagecall.FailOther, "x509")
	req.TLSVerify = no()
	tl.must(t, req)
	tl.must(t, rmi(srv.Host+"/tls:1"))
	req.TLSVerify = nil
	req.CertDir = srv.CertDir
	tl.must(t, req)
	push := imagecall.Request{Op: imagecall.OpPush, Images: []string{srv.Host + "/tls:1", srv.Host + "/pushed:2"}}
	tl.fails(t, push, imagecall.FailOther, "x509")
	push.CertDir = srv.CertDir
	tl.must(t, push)

	plain := registry.Start(t, registry.Options{})
	req = pullOf(plain.Host + "/tls:1")
	req.TLSVerify = yes()
	tl.fails(t, req, imagecall.FailOther, "plain HTTP")
}

func TestPushAndSearch(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	b := tl.loaded(t, simple(t, "gzip", "gzip"), "one:1")
	for format, mime := range map[string]string{"": "docker.distribution.manifest.v2", "oci": "oci.image.manifest.v1", "v2s2": "docker.distribution.manifest.v2"} {
		name := srv.Host + "/push/img" + format
		digestFile := filepath.Join(t.TempDir(), "digest")
		req := imagecall.Request{Op: imagecall.OpPush, Images: []string{"one:1", name + ":2"}, ManifestFormat: format, DigestFile: digestFile}
		if format == "oci" {
			req.CompressionFormat = "zstd"
		}
		res := tl.must(t, req)
		digest, err := os.ReadFile(digestFile)
		if err != nil || string(digest) != res.Images[0].Digest {
			t.Errorf("digest file: got %q, %v, want %q", digest, err, res.Images[0].Digest)
		}
		to := newTool(t)
		to.must(t, pullOf(name+"@"+res.Images[0].Digest))
		rec := to.lookup(t, name+"@"+res.Images[0].Digest)
		if !strings.Contains(rec.ManifestType, mime) || strings.Join(rec.DiffIDs, " ") != strings.Join(b.DiffIDs, " ") {
			t.Errorf("%q: got %+v", format, rec)
		}
	}
	tl.fails(t, imagecall.Request{Op: imagecall.OpPush, Images: []string{"nope"}}, imagecall.FailNotFound, "nope: image not known")
	tl.fails(t, imagecall.Request{Op: imagecall.OpPush, Images: []string{b.ID()}}, imagecall.FailOther, "name the destination")
	tl.fails(t, imagecall.Request{Op: imagecall.OpPush, Images: []string{"one:1", "127.0.0.1:1/x"}}, imagecall.FailOther, "connection refused")

	search := imagecall.Request{Op: imagecall.OpSearch, Term: srv.Host + "/push"}
	res := tl.must(t, search)
	if len(res.Search) != 3 || res.Search[0].Name != srv.Host+"/push/img" {
		t.Errorf("search: got %+v", res.Search)
	}
	search.Limit = 1
	if res = tl.must(t, search); len(res.Search) != 1 {
		t.Errorf("with a limit: got %+v", res.Search)
	}
	search.Limit, search.Filters = 0, []string{"stars=1"}
	if res = tl.must(t, search); len(res.Search) != 0 {
		t.Errorf("with a filter: got %+v", res.Search)
	}
	tags := imagecall.Request{Op: imagecall.OpSearch, Term: srv.Host + "/push/img", ListTags: true}
	if res = tl.must(t, tags); len(res.Search) != 1 || res.Search[0].Tag != "2" {
		t.Errorf("tags: got %+v", res.Search)
	}
	search.Filters = []string{"nonsense=1"}
	tl.fails(t, search, imagecall.FailOther, "invalid search filter")
	search = imagecall.Request{Op: imagecall.OpSearch, Term: "127.0.0.1:1/x"}
	tl.fails(t, search, imagecall.FailOther, "connection refused")
}
