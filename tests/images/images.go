// Package images makes the test images offline, from Debian or Ubuntu packages:
// OCI archives that any engine can load. They are made once and kept below
// tests/images/out until this package or the packages' versions change.
//
// Not here: serving them (tests/registry).
package images

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/welcome/pack"
)

// Names of the images, as they stand in the archives.
const (
	BusyboxName = "docker.io/library/busybox:latest"
	HttpdName   = "docker.io/library/httpd:latest"
)

// given names a directory of images that were made on another machine.
const given = "SKIFF_TEST_IMAGES"

// format changes when the images' content does.
const format = "5"

// created is the time that the images carry.
func created() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) }

// Dir is where the archives are kept.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	if dir := os.Getenv(given); dir != "" {
		return dir
	}
	if !filepath.IsAbs(file) { // built with -trimpath: tests run in their package's directory
		wd, err := os.Getwd()
		for ; err == nil && wd != "/"; wd = filepath.Dir(wd) {
			if _, err := os.Stat(filepath.Join(wd, "go.mod")); err == nil {
				return filepath.Join(wd, "tests/images/out")
			}
		}
	}
	return filepath.Join(filepath.Dir(file), "out")
}

// Busybox gives the path of an archive with a static busybox and all its applets.
func Busybox() (string, error) { return cached("busybox", makeBusybox) }

// Httpd gives the path of an archive with the real Apache.
func Httpd() (string, error) { return cached("httpd", makeHttpd) }

// cached makes NAME-STAMP.tar unless it is there. Two callers at once wait for
// each other; what is half made has another name.
func cached(name string, write func(*os.File) error) (string, error) {
	dir := Dir()
	if os.Getenv(given) != "" {
		found, err := filepath.Glob(filepath.Join(dir, name+"-*.tar"))
		if err != nil || len(found) == 0 {
			return "", fmt.Errorf("no test image %s in %s (%v)", name, dir, err)
		}
		return found[0], nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "."+name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name+"-"+stamp()+".tar")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	tmp, err := os.CreateTemp(dir, "."+name+"-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := write(tmp); err != nil {
		return "", fmt.Errorf("cannot make the test image %s: %w", name, err)
	}
	if err := tmp.Chmod(0o644); err != nil {
		return "", err
	}
	return path, os.Rename(tmp.Name(), path)
}

// stamp names this version of the images on this distribution.
func stamp() string {
	release, _ := os.ReadFile("/etc/os-release")
	sum := sha256.Sum256(append([]byte(format+runtime.GOARCH), release...))
	return hex.EncodeToString(sum[:6])
}

// output runs a program and gives what it prints.
func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Users and groups of both images.
const (
	passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
tester:x:1000:1000:tester:/home/tester:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
`
	group = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
tty:x:5:
mail:x:8:
www-data:x:33:tester
operator:x:37:tester
users:x:100:
tester:x:1000:
nogroup:x:65534:
`
)

// base adds what both images have beside their programs.
func base(t *pack.Tree) error {
	if err := t.Dirs("bin", "dev", "etc", "home", "proc", "sys", "usr", "usr/bin", "usr/local",
		"usr/local/bin", "usr/sbin", "var", "var/spool", "var/www"); err != nil {
		return err
	}
	if err := t.Dir("root", 0o700); err != nil {
		return err
	}
	for _, dir := range []string{"tmp", "var/tmp"} {
		if err := t.Dir(dir, 0o1777); err != nil {
			return err
		}
	}
	for _, f := range [][2]string{{"etc/group", group}, {"etc/passwd", passwd}} {
		if err := t.File(f[0], 0o644, f[1]); err != nil {
			return err
		}
	}
	return busybox(t)
}

// busybox adds the static busybox and a link for each of its applets.
func busybox(t *pack.Tree) error {
	from, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("busybox-static is not installed")
	}
	list, err := output("/", from, "--list")
	if err != nil {
		return err
	}
	if err := t.CopyFile("bin/busybox", 0o755, from); err != nil {
		return err
	}
	for _, applet := range strings.Fields(list) {
		if applet == "busybox" {
			continue
		}
		if err := t.Link("bin/"+applet, "busybox"); err != nil {
			return err
		}
	}
	return t.Link("usr/bin/env", "../../bin/env")
}

func makeBusybox(f *os.File) error {
	return pack.Write(f, pack.Image{
		Name: BusyboxName, Created: created(),
		Config: pack.Config{
			Cmd: []string{"sh"},
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
		Layers: []pack.Layer{{By: "busybox-static and its applets", Write: func(t *pack.Tree) error {
			if err := base(t); err != nil {
				return err
			}
			return udpecho(t)
		}}},
	})
}

// udpecho compiles and adds the program of that name.
func udpecho(t *pack.Tree) error {
	dir, err := os.MkdirTemp(Dir(), ".udpecho-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "udpecho")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "skiff/tests/images/udpecho")
	cmd.Dir = filepath.Join(Dir(), "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build udpecho: %w: %s", err, out)
	}
	return t.CopyFile("usr/local/bin/udpecho", 0o755, file)
}
