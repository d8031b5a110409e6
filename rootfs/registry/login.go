package registry

import (
	"context"
	"errors"
	"fmt"
	"skiff/state"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/pkg/sysregistriesv2"

	"skiff/rootfs/imagecall"
)

// errTwoFiles: the two kinds of credential files exclude each other.
var errTwoFiles = errors.New("options for paths to the credential file and to the Docker-compatible credential file can not be set simultaneously")

// Login stores credentials after the registry has taken them, and gives what
// to tell the user. Without a user name in the request it looks at what is
// stored: with GetLogin it says who that is, else whether it is still valid.
// An empty answer without an error means that the engine is to ask the user.
func (s *Session) Login(ctx context.Context) (string, error) {
	key, host, err := s.loginTarget()
	if err != nil {
		return "", err
	}
	stored, err := config.GetCredentials(&s.sys, key)
	if err != nil {
		return "", fmt.Errorf("cannot read the stored credentials: %w", err)
	}
	if s.Req.GetLogin {
		if stored.Username == "" {
			return "", fmt.Errorf("not logged into %s", key)
		}
		return stored.Username, nil
	}
	sys := s.contextFor(ctx, host)
	if s.Req.Username == "" {
		if stored.Username == "" || stored.Password == "" {
			return "", nil
		}
		if err := docker.CheckAuth(ctx, sys, stored.Username, stored.Password, host); err != nil {
			return "", nil
		}
		return "Existing credentials are valid. Already logged in to " + key, nil
	}
	if err := docker.CheckAuth(ctx, sys, s.Req.Username, s.Req.Password, host); err != nil {
		return "", loginFailed(host, err)
	}
	where, err := config.SetCredentials(&s.sys, key, s.Req.Username, s.Req.Password)
	if err != nil {
		return "", fmt.Errorf("cannot store the credentials: %s", oneLine(err.Error()))
	}
	if s.Req.Verbose {
		return "Used: " + where + "\nLogin Succeeded!", nil
	}
	return "Login Succeeded!", nil
}

// loginFailed is LoginFailed for credentials, and what happened for the rest.
func loginFailed(host string, err error) error {
	var wrong docker.ErrUnauthorizedForCredentials
	if errors.As(err, &wrong) {
		return &WrongCredentials{host}
	}
	_, why := Cause(err)
	return fmt.Errorf("authenticating creds for %q: %s", host, why)
}

// WrongCredentials says that a registry does not take a user name and password.
type WrongCredentials struct{ Registry string }

func (e *WrongCredentials) Error() string {
	return fmt.Sprintf("logging into %q: invalid username/password", e.Registry)
}

// loginTarget gives the key under which credentials are stored (a registry, or
// a repository below one) and the registry's host.
func (s *Session) loginTarget() (key, host string, err error) {
	if s.Req.AuthFile != "" && s.Req.CompatAuthFile != "" {
		return "", "", errTwoFiles
	}
	key = s.Req.Registry
	if key == "" {
		if key, err = s.defaultRegistry(); err != nil {
			return "", "", err
		}
	}
	key = strings.TrimSuffix(trimScheme(key), "/")
	host, path, _ := strings.Cut(key, "/")
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		host = "docker.io"
	}
	// Docker Hub's old name has a path that is none.
	if host == "docker.io" && (path == "v1" || path == "v2") {
		path = ""
	}
	if s.Req.CompatAuthFile != "" {
		path = "" // Docker's file knows registries only
	}
	if host == "" || strings.ContainsAny(host, " @") {
		return "", "", fmt.Errorf("invalid registry %q", s.Req.Registry)
	}
	if path == "" {
		return host, host, nil
	}
	return host + "/" + path, host, nil
}

func trimScheme(s string) string {
	if i := strings.Index(s, "://"); i >= 0 {
		return s[i+3:]
	}
	return s
}

// defaultRegistry is the first one that registries.conf searches, else Docker
// Hub.
func (s *Session) defaultRegistry() (string, error) {
	registries, err := sysregistriesv2.UnqualifiedSearchRegistries(&s.sys)
	if err != nil {
		return "", fmt.Errorf("cannot read registries.conf: %s", oneLine(err.Error()))
	}
	if len(registries) > 0 {
		return registries[0], nil
	}
	return "docker.io", nil
}

// Logout forgets the credentials of a registry, or with Request.All of all.
func (s *Session) Logout() (string, error) {
	if s.Req.All {
		if s.Req.AuthFile != "" && s.Req.CompatAuthFile != "" {
			return "", errTwoFiles
		}
		if s.Req.Registry != "" {
			return "", errors.New("--all takes no arguments")
		}
		if err := config.RemoveAllAuthentication(&s.sys); err != nil {
			return "", fmt.Errorf("cannot remove the credentials: %s", oneLine(err.Error()))
		}
		return "Removed login credentials for all registries", nil
	}
	key, _, err := s.loginTarget()
	if err != nil {
		return "", err
	}
	err = config.RemoveAuthentication(&s.sys, key)
	switch {
	case err == nil:
		return "Removed login credentials for " + key, nil
	case !errors.Is(err, config.ErrNotLoggedIn):
		return "", fmt.Errorf("logging out of %q: %s", key, oneLine(err.Error()))
	}
	if stored, err := config.GetCredentials(&s.sys, key); err == nil && stored.Username != "" {
		return fmt.Sprintf("Not logged into %s with current tool. Existing credentials were established via docker login. Please use docker logout instead.", key), nil
	}
	return "", state.Errorf(state.ErrNotFound, "not logged into %s", key)
}

// loginKind is the kind of a failed login for the engine.
func loginKind(err error) string {
	var wrong *WrongCredentials
	if errors.As(err, &wrong) {
		return imagecall.FailAuth
	}
	return ""
}
