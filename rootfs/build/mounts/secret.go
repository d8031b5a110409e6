package mounts

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
)

// maxSecret bounds a secret in bytes, as BuildKit does.
const maxSecret = 500 << 10

// secretsDir is where secrets are in a container.
const secretsDir = "/run/secrets"

// addSecret shows a secret as a file, as a variable, or both.
func (r *resolver) addSecret(m *instructions.Mount) error {
	id := m.Source
	if id == "" {
		id = m.CacheID
	}
	if id == "" {
		id = path.Base(m.Target)
	}
	data, ok, err := r.readSecret(id)
	if err != nil {
		return err
	}
	if !ok {
		if m.Required {
			return fmt.Errorf("secret %s: not found: give it with --secret id=%s,src=FILE", id, id)
		}
		return nil
	}
	if m.Env != nil {
		name := *m.Env
		if name == "" {
			name = id
		}
		if strings.ContainsAny(name, "=\x00") || strings.IndexByte(string(data), 0) >= 0 {
			return fmt.Errorf("cannot put the secret %q into the variable %q: there is a byte in it that no variable can have", id, name)
		}
		r.secret = append(r.secret, name+"="+string(data))
	}
	target := m.Target
	if target == "" && m.Env != nil {
		return nil
	}
	if target == "" {
		target = secretsDir + "/" + path.Base(id)
	}
	if target, err = r.target(target); err != nil {
		return err
	}
	file, err := r.write(data, number(m.UID, 0), number(m.GID, 0), number(m.Mode, 0o400))
	if err != nil {
		return fmt.Errorf("cannot show the secret %q: %w", id, err)
	}
	r.mount(imagecall.Mount{Target: target, Source: file, ReadOnly: true})
	return nil
}

// readSecret gives the content of a secret; false where the build has none of the id.
func (r *resolver) readSecret(id string) ([]byte, bool, error) {
	for _, s := range r.p.Secrets {
		if s.ID != id {
			continue
		}
		if s.File == "" {
			value, ok := os.LookupEnv(s.Env)
			if !ok {
				return nil, false, fmt.Errorf("cannot read the secret %q: the variable %s is not set", id, s.Env)
			}
			return []byte(value), true, nil
		}
		data, err := readFile(s.File, maxSecret)
		if err != nil {
			return nil, false, fmt.Errorf("cannot read the secret %q: %w", id, err)
		}
		return data, true, nil
	}
	return nil, false, nil
}

// readFile reads a file of the caller's, which may be a pipe (<(pass show it)).
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return data, err
}

// write makes a file in memory.
func (r *resolver) write(data []byte, uid, gid, mode int) (string, error) {
	name, err := r.inMemory()
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	return name, errors.Join(err, f.Close(), own(name, uid, gid, mode))
}

// own gives a file its owner, and then the mode, which a change of owner can take.
func own(name string, uid, gid, mode int) error {
	if err := os.Lchown(name, uid, gid); err != nil {
		if errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("there is no user %d or group %d in your user namespace", uid, gid)
		}
		return err
	}
	return unix.Chmod(name, uint32(mode)&0o7777)
}

// secretVars writes the variables that are secrets to a file, each with a zero
// byte after it.
func (r *resolver) secretVars() (string, error) {
	if len(r.secret) == 0 {
		return "", nil
	}
	return r.write([]byte(strings.Join(r.secret, "\x00")+"\x00"), 0, 0, 0o400)
}
