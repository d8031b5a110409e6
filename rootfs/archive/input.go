// Package archive moves images between files and the image store: load, save
// and import.
//
// Not here: registries (rootfs/registry) and the store (rootfs/store).
package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"

	"go.podman.io/image/v5/pkg/compression"
)

// Formats of Request.Format and of what is loaded.
const (
	DockerArchive = "docker-archive"
	OCIArchive    = "oci-archive"
	OCIDir        = "oci-dir"
	DockerDir     = "docker-dir"
)

// errFormat is for input that is no image, in the words that scripts look for.
var errFormat = errors.New("payload does not match any of the supported image formats")

// open opens a file, standard input ("" or "-") or an http URL for reading.
func open(ctx context.Context, input string) (io.ReadCloser, error) {
	switch {
	case input == "" || input == "-":
		return io.NopCloser(os.Stdin), nil
	case strings.HasPrefix(input, "http://"), strings.HasPrefix(input, "https://"):
		return fetch(ctx, input)
	}
	f, err := os.Open(input)
	if err != nil {
		return nil, fmt.Errorf("cannot open %q: %w", input, cause(err))
	}
	return f, nil
}

// cause is a file error without the path, which the message already has.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("invalid URL %q", url)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot get %q: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("cannot get %q: the server answered %s", url, resp.Status)
	}
	return resp.Body, nil
}

// tarFile gives the path of a file with the uncompressed tar archive: the input
// itself if it is one, else a copy in dir.
func tarFile(ctx context.Context, input, dir string) (string, error) {
	in, err := open(ctx, input)
	if err != nil {
		return "", err
	}
	defer in.Close()
	plain, compressed, err := compression.AutoDecompress(in)
	if err != nil {
		return "", fmt.Errorf("%w: %v", errFormat, err)
	}
	defer plain.Close()
	if f, ok := in.(*os.File); ok && !compressed {
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			return input, nil
		}
	}
	out, err := os.CreateTemp(dir, "archive-")
	if err != nil {
		return "", fmt.Errorf("cannot make a temporary file: %w", err)
	}
	_, err = io.Copy(out, interruptible{ctx, plain})
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", describe(input), err)
	}
	return out.Name(), nil
}

// describe is how messages call an input.
func describe(input string) string {
	if input == "" || input == "-" {
		return "standard input"
	}
	return fmt.Sprintf("%q", input)
}

// interruptible ends a copy when the work is given up.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// detect says what an input is: a directory or a tar archive of one of the two
// kinds. One that is both (as newer Dockers write) counts as Docker's, which
// has the names.
func detect(file string) (string, error) {
	if st, err := os.Stat(file); err == nil && st.IsDir() {
		return detectDir(file)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("cannot open %q: %w", file, cause(err))
	}
	defer f.Close()
	t := tar.NewReader(f)
	kind := ""
	for first := true; ; first = false {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && first {
			return "", fmt.Errorf("%w: it is not a tar archive", errFormat)
		}
		if err != nil {
			return "", fmt.Errorf("%w: the tar archive is damaged", errFormat)
		}
		switch path.Clean(h.Name) {
		case "manifest.json":
			kind = DockerArchive
		case "index.json":
			if kind == "" {
				kind = OCIArchive
			}
		}
	}
	if kind == "" {
		return "", fmt.Errorf("%w: the archive has neither manifest.json nor index.json", errFormat)
	}
	return kind, nil
}

func detectDir(dir string) (string, error) {
	for _, k := range []struct{ file, kind string }{
		{"index.json", OCIDir}, {"manifest.json", DockerDir},
	} {
		if _, err := os.Stat(path.Join(dir, k.file)); err == nil {
			return k.kind, nil
		}
	}
	return "", fmt.Errorf("%w: the directory has neither index.json nor manifest.json", errFormat)
}
