package stage

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"

	"skiff/libpod"
	"skiff/rootfs/volume"
	"skiff/state"
)

// backupFD is the backup, whichever way it goes; the answers go to standard input,
// which is a socket.
const backupFD = 1

// serveBackup makes a volume's backup or restores one.
func (s *filesServer) serveBackup(ctx context.Context) error {
	file := os.NewFile(backupFD, "backup")
	var err error
	if s.req.Op == libpod.FilesBackup {
		err = s.backup(ctx, file)
	} else {
		err = s.engine.Volumes.Restore(s.req.Volume, file, volume.RestoreOptions{
			Force: s.req.Force, Warn: s.warn,
			Busy: func() ([]string, error) { return s.engine.VolumeBusy(s.req.Volume) },
		})
	}
	if err != nil {
		s.report.Failed(err)
	}
	line, err := json.Marshal(s.report)
	if err != nil {
		return err
	}
	return reply(string(line))
}

func reply(line string) error {
	_, err := os.Stdin.WriteString(line + "\n")
	return err
}

func (s *filesServer) backup(ctx context.Context, out *os.File) error {
	if err := s.engine.Volumes.Attach(s.req.Volume); err != nil {
		return err
	}
	var still func() (func() error, error)
	if s.req.Live {
		still = func() (func() error, error) { return s.still(ctx) }
	}
	return s.engine.Volumes.Backup(s.req.Volume, out, still, s.warn)
}

// still has the engine pause the volume's containers. They go on whatever becomes of
// the engine.
func (s *filesServer) still(ctx context.Context) (func() error, error) {
	in, ok := s.in.(*bufio.Reader)
	if !ok {
		return nil, errors.New("there is no socket to the engine")
	}
	if err := reply(libpod.BackupPause); err != nil {
		return nil, err
	}
	line, err := in.ReadString('\n')
	ids := strings.Fields(strings.TrimPrefix(line, libpod.BackupPaused))
	if err == nil {
		_, err = in.ReadString('\n')
	}
	if err != nil {
		s.thaw(ctx, ids)
		return nil, errors.New("the engine is gone")
	}
	return func() error {
		if err := reply(libpod.BackupResume); err != nil {
			s.thaw(ctx, ids)
			return err
		}
		return nil
	}, nil
}

// thaw lets containers go on that a killed engine has paused.
func (s *filesServer) thaw(ctx context.Context, ids []string) {
	for _, id := range ids {
		if live, err := s.engine.Store.Status(id); err == nil && live.Phase == state.Paused {
			s.engine.Unpause(ctx, id)
		}
	}
}
