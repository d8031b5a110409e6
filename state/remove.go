package state

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// Leave takes a container out of everybody's sight but lists', in one step.
func Leave(c dirs.Container) error { return os.Rename(c.Config(), c.Leaving()) }

// RemoveLeft removes the files of a container that has left. What cannot be removed
// brings it back, dead, for somebody to remove it when what kept its files is gone.
func RemoveLeft(c dirs.Container, bootID string) error {
	entries, err := os.ReadDir(c.Data)
	if errors.Is(err, os.ErrNotExist) {
		return os.RemoveAll(c.Run)
	}
	err = cmp.Or(err, os.RemoveAll(c.Run))
	for _, e := range entries {
		switch path := filepath.Join(c.Data, e.Name()); path {
		case c.Leaving(), c.Exit(), c.Lock(): // they are needed until nothing can fail any more
		default:
			err = cmp.Or(err, os.RemoveAll(path)) // the first says enough
		}
	}
	if err != nil {
		bury(c, bootID, err)
		return err
	}
	return os.RemoveAll(c.Data)
}

// bury makes a dead container of one that could not be removed.
func bury(c dirs.Container, bootID string, why error) {
	var st Status
	_ = jsonfile.Read(c.Exit(), &st)
	st.Version, st.BootID, st.Phase, st.Error = StatusVersion, bootID, Dead, why.Error()
	st.Pid, st.PidStart, st.Monitor = 0, 0, 0
	st.Teardown, st.Network = Teardown{}, NetworkStatus{}
	if jsonfile.Write(c.Exit(), &st, jsonfile.Volatile) == nil {
		_ = os.Rename(c.Leaving(), c.Config())
	}
}

// Remove takes a container's record, writable layer, log and name away. The
// caller holds its lock and made sure that nothing of it runs. What a crash
// leaves half removed is a directory without config.json, which Sweep ends.
func (s *Store) Remove(cfg *Config) error {
	c := s.Roots.Container(cfg.ID)
	if err := Leave(c); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove container %s: %w", cfg.Name, err)
	}
	var err error
	if s.nameOwner(cfg.Name) == cfg.ID {
		err = os.Remove(s.Roots.Name(cfg.Name))
	}
	if err := cmp.Or(s.removeLeft(cfg.ID), err); err != nil {
		return fmt.Errorf("cannot remove all of container %s: %w", cfg.Name, err)
	}
	return nil
}

// removeLeft is RemoveLeft, with the name for one that is dead now, unless somebody
// else has it by then.
func (s *Store) removeLeft(id string) error {
	err := RemoveLeft(s.Roots.Container(id), s.BootID)
	if err == nil {
		return nil
	}
	if cfg, lerr := s.Load(id); lerr == nil {
		_ = s.reserve(cfg.Name, id)
	}
	return err
}

// Leaving is the config of a container that is being removed; ErrNotFound.
func (s *Store) Leaving(id string) (*Config, error) {
	var cfg Config
	err := jsonfile.Read(s.Roots.Container(id).Leaving(), &cfg)
	if err != nil || cfg.ID != id {
		return nil, Errorf(ErrNotFound, "no such container %s", id)
	}
	return &cfg, nil
}

// Sweep removes the directories of containers whose maker or remover died half
// way: those without config.json whose lock is free. It reports what it could
// not remove.
func (s *Store) Sweep() error {
	ids, err := s.IDs()
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		c := s.Roots.Container(id)
		if jsonfile.Exists(c.Config()) {
			continue
		}
		if os.Remove(c.Data) == nil {
			continue // empty: its maker died before it could take the lock
		}
		l, err := lock.Try(c.Lock())
		if err != nil {
			continue // its maker is at work
		}
		if !jsonfile.Exists(c.Config()) {
			errs = append(errs, s.removeLeft(id))
		}
		l.Release()
	}
	return errors.Join(append(errs, s.sweepNames())...)
}

func (s *Store) sweepNames() error {
	entries, err := os.ReadDir(s.Roots.Names())
	if err != nil {
		return nil
	}
	var errs []error
	for _, e := range entries {
		path := filepath.Join(s.Roots.Names(), e.Name())
		owner, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		id := string(owner)
		if i := len(path) - len(".tmp") - 64; filepath.Ext(path) == ".tmp" && i > 0 && IsID(path[i:i+64]) {
			id = path[i : i+64] // see createLinked; it may have no content yet
		}
		if !IsID(id) || !jsonfile.Exists(s.Roots.Container(id).Data) {
			if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
