package libpod

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"skiff/netsetup/dns"
	"skiff/state"
	"skiff/state/dirs"
)

// maxHosts bounds a container's /etc/hosts, which the container can write to, for
// it to be changed.
const maxHosts = 1 << 20

// noteLinks has the containers that a new one is linked to know of that.
func (e *Engine) noteLinks(cfg *state.Config) error {
	for _, l := range cfg.Extra().Links {
		dir := e.Roots.Container(l.ID).Linked()
		err := os.Mkdir(dir, 0o700)
		if err == nil || errors.Is(err, os.ErrExist) {
			err = os.WriteFile(filepath.Join(dir, cfg.ID), nil, 0o600)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // it has just been removed: the start will say so
			return fmt.Errorf("cannot link to container %s: %w", l.Name, err)
		}
	}
	return nil
}

// Relink tells the running containers that are linked to one which has just begun
// anew its address. Docker does that too.
func (e *Engine) Relink(target *state.Config, ip string) error {
	dir := e.Roots.Container(target.ID).Linked()
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, f := range entries {
		names := e.linkNames(f.Name(), target)
		if len(names) == 0 {
			os.Remove(filepath.Join(dir, f.Name())) // it is no longer linked, or gone
			continue
		}
		live, err := e.Store.Status(f.Name())
		if err == nil && live.Phase.Active() {
			errs = append(errs, rehost(e.Roots.Container(f.Name()), names, ip))
		}
	}
	return errors.Join(errs...)
}

// linkNames are the names by which a container knows the target, none without a link.
func (e *Engine) linkNames(id string, target *state.Config) (names []string) {
	if !state.IsID(id) {
		return nil
	}
	cfg, err := e.Store.Load(id)
	if err != nil {
		return nil
	}
	for _, l := range cfg.Extra().Links {
		if l.ID == target.ID {
			names = append(names, l.Alias, l.Name, target.Name)
		}
	}
	if len(names) > 0 && target.Hostname != "" {
		names = append(names, target.Hostname)
	}
	return names
}

// rehost changes the address of the lines for names in a container's hosts(5).
func rehost(c dirs.Container, names []string, ip string) error {
	f, err := os.Open(c.Hosts())
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has none, or is about to end
	}
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHosts+1))
	if err != nil || len(text) > maxHosts {
		return err
	}
	if changed := readdress(text, names, ip); !bytes.Equal(changed, text) {
		return dns.Write(c.Hosts(), changed)
	}
	return nil
}

// readdress gives the lines that have one of the names another address.
func readdress(hosts []byte, names []string, ip string) []byte {
	var out []byte
	for line := range bytes.Lines(hosts) {
		fields := bytes.Fields(line)
		if len(fields) > 1 && fields[0][0] != '#' && slices.ContainsFunc(fields[1:], func(f []byte) bool { return slices.Contains(names, string(f)) }) {
			line = append([]byte(ip), line[bytes.Index(line, fields[0])+len(fields[0]):]...)
		}
		out = append(out, line...)
	}
	return out
}
