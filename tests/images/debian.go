package images

import (
	"fmt"
	"os"
	"path/filepath"

	"skiff/rootfs/welcome/pack"
)

// DebianName is the image's name in the archive.
const DebianName = "docker.io/library/debian:latest"

// debs are the packages that can be installed in the image without a network.
const debs = "vim emacs-nox"

// Debian gives the path of an archive with a small Debian, whose apt has a
// repository on the image's own disk: vim, emacs and what they need.
func Debian() (string, error) { return cached("debian", makeDebian) }

// makeDebian packs it in two layers: the system and the repository.
func makeDebian(f *os.File) error {
	work, err := os.MkdirTemp(Dir(), ".debian-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	root, repo := filepath.Join(work, "root"), filepath.Join(work, "repo")
	if err := os.MkdirAll(filepath.Join(repo, "srv/debs"), 0o755); err != nil {
		return err
	}
	if _, err := output(work, "unshare", "--mount", "--propagation", "private",
		"mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=force-unsafe-io",
		"--customize-hook=chroot \"$1\" apt-get -q -y --no-install-recommends --download-only install "+debs,
		"--customize-hook=mv \"$1\"/var/cache/apt/archives/*.deb "+filepath.Join(repo, "srv/debs"),
		"--customize-hook=echo 'deb [trusted=yes] file:/srv/debs ./' >\"$1\"/etc/apt/sources.list",
		"bookworm", root); err != nil {
		return err
	}
	index := filepath.Join(repo, "srv/debs/Packages")
	if _, err := output(repo, "sh", "-c", "cd srv/debs && dpkg-scanpackages . >Packages"); err != nil {
		return err
	}
	if st, err := os.Stat(index); err != nil || st.Size() == 0 {
		return fmt.Errorf("the repository has no index (%v)", err)
	}
	return pack.Write(f, pack.Image{
		Name: DebianName, Created: created(),
		Config: pack.Config{
			Cmd: []string{"bash"},
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"},
		},
		Layers: []pack.Layer{
			{By: "mmdebstrap", Write: func(t *pack.Tree) error { return t.Copy(root) }},
			{By: "packages", Write: func(t *pack.Tree) error { return t.Copy(repo) }},
		},
	})
}
