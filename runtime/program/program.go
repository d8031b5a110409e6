// Package program keeps the programs that are embedded in skiff: it unpacks
// each once per version below the data root and says where it is.
//
// Not here: how the programs are started and what is said to them.
package program

import (
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"skiff/state/dirs"
)

// The embedded programs.
const (
	Monitor   = "monitor"
	ImageTool = "imagetool"
	Init      = "init"
)

// ErrNotBuilt: this skiff was compiled without the program.
var ErrNotBuilt = errors.New("build it with make")

//go:embed bin/*
var embedded embed.FS

// Path gives a path of the program that can be executed by this process and
// its children.
//
// Usually that is the unpacked copy below the data root, one file for all, so
// that processes share its pages. Where that cannot be executed (noexec) or
// another user could replace it, it is /proc/self/fd/N of a sealed copy in
// memory, which stays open close-on-exec until this process ends: it can be
// executed directly from here, not by way of another program.
func Path(roots dirs.Roots, name string) (string, error) {
	p, err := find(embedded, name)
	if err != nil {
		return "", err
	}
	return p.path(roots)
}

// File gives the unpacked copy of the program, for mounting it into a container.
func File(roots dirs.Roots, name string) (string, error) {
	p, err := find(embedded, name)
	if err != nil {
		return "", err
	}
	path, err := p.file(roots)
	if err != nil {
		return "", p.failed(err)
	}
	return path, nil
}

// packed is one embedded program.
type packed struct {
	name string
	hash string // sha256 of the content, hex
	size int64  // of the content
	gzip bool
	data fs.FS
}

func (p packed) failed(err error) error {
	return fmt.Errorf("cannot unpack skiff's %s: %w", title(p.name), err)
}

// embeddedName is the program's name in the embedded file system.
func (p packed) embeddedName() string {
	if p.gzip {
		return "bin/" + p.name + ".gz"
	}
	return "bin/" + p.name
}

func find(data fs.FS, name string) (packed, error) {
	p := packed{name: name, data: data}
	notBuilt := fmt.Errorf("this skiff was built without its %s: %w", title(name), ErrNotBuilt)
	sum, err := fs.ReadFile(data, "bin/"+name+".sha256")
	if err != nil {
		return p, notBuilt
	}
	p.hash, _, _ = strings.Cut(strings.TrimSpace(string(sum)), " ")
	if len(p.hash) != 64 {
		return p, notBuilt
	}
	st, err := fs.Stat(data, p.embeddedName())
	if err == nil {
		p.size = st.Size()
		return p, nil
	}
	p.gzip = true
	if p.size, err = unzippedSize(data, p.embeddedName()); err != nil {
		return p, notBuilt
	}
	return p, nil
}

// unzippedSize reads the last four bytes of a gzip file. RFC 1952, ISIZE.
func unzippedSize(data fs.FS, name string) (int64, error) {
	f, err := data.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	st, err := f.Stat()
	if err != nil || !ok || st.Size() < 4 {
		return 0, errors.ErrUnsupported
	}
	var tail [4]byte
	if _, err := at.ReadAt(tail[:], st.Size()-4); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint32(tail[:])), nil
}

func title(name string) string {
	if name == ImageTool {
		return "image tool"
	}
	return name
}
