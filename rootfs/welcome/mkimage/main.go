// Command mkimage makes the image that skiff carries inside itself: the program
// of rootfs/welcome/server and the files that it needs to run.
// Usage: mkimage -o IMAGE.tar SERVER
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"time"

	"skiff/rootfs/welcome"
	"skiff/rootfs/welcome/pack"
)

func main() {
	out := flag.String("o", "image.tar", "the archive to write")
	flag.Parse()
	if err := run(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run(out string, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("expected one program, not %d", len(args))
	}
	var buf bytes.Buffer
	err := pack.Write(&buf, pack.Image{
		Name:    welcome.Name,
		Created: time.Unix(0, 0).UTC(), // the same program gives the same image
		Config: pack.Config{
			Entrypoint:   []string{"/welcome"},
			Env:          []string{"PATH=/"},
			ExposedPorts: map[string]struct{}{"80/tcp": {}},
			WorkingDir:   "/",
			Labels:       map[string]string{"org.opencontainers.image.title": "skiff welcome"},
		},
		Layers: []pack.Layer{{By: "skiff: welcome server", Write: func(t *pack.Tree) error {
			return files(t, args[0])
		}}},
	})
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(out); err == nil && bytes.Equal(old, buf.Bytes()) {
		return nil // leave the time alone: nothing has to be linked again
	}
	tmp := out + ".new"
	if err := os.WriteFile(tmp, buf.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, out)
}

func files(t *pack.Tree, server string) error {
	if err := t.Dirs("dev", "etc", "proc", "sys"); err != nil {
		return err
	}
	if err := t.Dir("tmp", 0o1777); err != nil {
		return err
	}
	if err := t.File("etc/passwd", 0o644, "root:x:0:0:root:/:/welcome\nnobody:x:65534:65534:nobody:/:/welcome\n"); err != nil {
		return err
	}
	if err := t.File("etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n"); err != nil {
		return err
	}
	return t.CopyFile("welcome", 0o755, server)
}
