package transfer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
)

// ErrNoArchive: it is no tar archive, nor a compressed one.
var ErrNoArchive = errors.New("source must be a (compressed) tar archive when copying from stdin")

// Archive gives the tar archive that is read from r, which may be compressed
// with gzip or bzip2, or with xz or zstd where these programs are installed.
// close ends them, and tells of what they could not do.
func Archive(r io.Reader) (plain io.Reader, close func() error, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, _ := in.Peek(6)
	plain, close = in, func() error { return nil }
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		plain, err = gzip.NewReader(in)
	case bytes.HasPrefix(head, []byte("BZh")):
		plain = bzip2.NewReader(in)
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		plain, close, err = program(in, "xz", "-d", "-c")
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		plain, close, err = program(in, "zstd", "-d", "-c")
	}
	if err != nil {
		return nil, nil, err
	}
	checked := bufio.NewReaderSize(plain, 64<<10)
	first, _ := checked.Peek(512)
	_, bad := tar.NewReader(bytes.NewReader(first)).Next()
	if len(first) < 512 || errors.Is(bad, tar.ErrHeader) {
		close()
		return nil, nil, ErrNoArchive
	}
	return checked, close, nil
}

// program has another program decompress.
func program(in io.Reader, name string, args ...string) (io.Reader, func() error, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stderr = in, os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, nil, err
	}
	return out, func() error {
		out.Close()
		cmd.Process.Kill()
		cmd.Wait()
		return nil
	}, nil
}
