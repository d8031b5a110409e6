package stage

import (
	"skiff/libpod"
	"skiff/rootfs/safepath"
	"skiff/rootfs/transfer"
)

// serveVolume answers a request about the files of a volume, which it mounts
// where only this process sees it if its driver asks for that.
func (s *filesServer) serveVolume() error {
	volumes, name := s.engine.Volumes, s.req.Volume
	if err := volumes.Attach(name); err != nil {
		return s.answer(err)
	}
	root, err := safepath.OpenRoot(s.engine.Roots.VolumeData(name))
	if err != nil {
		return s.answer(err)
	}
	defer root.Close()
	s.root = root
	if s.req.Op == libpod.FilesUnpack {
		return s.answer(transfer.Unpack(s.in, root, "/", transfer.UnpackOptions{Root: true, Warn: s.warn}))
	}
	return s.work()
}
