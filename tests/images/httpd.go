package images

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"skiff/rootfs/welcome/pack"
)

// httpdConf is the server's whole configuration: the layout and the logging to
// the standard streams are those of Docker's httpd image.
const httpdConf = `ServerRoot /usr/local/apache2
ServerName localhost
PidFile /usr/local/apache2/logs/httpd.pid
Listen 80
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
User www-data
Group www-data
DocumentRoot /usr/local/apache2/htdocs
DirectoryIndex index.html
TypesConfig /usr/local/apache2/conf/mime.types
<Directory /usr/local/apache2/htdocs>
	Require all granted
</Directory>
ErrorLog /proc/self/fd/2
LogFormat "%h %l %u %t \"%r\" %>s %b" common
CustomLog /proc/self/fd/1 common
`

const httpdForeground = `#!/bin/sh
set -e
rm -f /usr/local/apache2/logs/httpd.pid
exec apache2 -DFOREGROUND -f /usr/local/apache2/conf/httpd.conf "$@"
`

// makeHttpd packs Apache from the distribution's packages, in three layers: the
// libraries, the server, the page.
func makeHttpd(f *os.File) error {
	work, err := os.MkdirTemp(Dir(), ".httpd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	libs, server := filepath.Join(work, "libs"), filepath.Join(work, "server")
	if err := unpack(work, libs, server); err != nil {
		return err
	}
	return pack.Write(f, pack.Image{
		Name: HttpdName, Created: created(),
		Config: pack.Config{
			Env:          []string{"PATH=/usr/local/apache2/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HTTPD_PREFIX=/usr/local/apache2"},
			Cmd:          []string{"httpd-foreground"},
			ExposedPorts: map[string]struct{}{"80/tcp": {}},
			WorkingDir:   "/usr/local/apache2",
			StopSignal:   "SIGWINCH",
		},
		Layers: []pack.Layer{
			{By: "busybox and the libraries of apache2", Write: func(t *pack.Tree) error {
				if err := base(t); err != nil {
					return err
				}
				return t.Copy(libs)
			}},
			{By: "apache2", Write: func(t *pack.Tree) error { return t.Copy(server) }},
			{By: "the page", Write: page},
		},
	})
}

// page adds what belongs to this image alone. The whiteout hides a file of the
// layer below.
func page(t *pack.Tree) error {
	const top = "usr/local/apache2"
	if err := t.Dirs(top, top+"/conf", top+"/htdocs", top+"/logs"); err != nil {
		return err
	}
	files := []struct {
		path    string
		mode    int64
		content string
	}{
		{top + "/conf/httpd.conf", 0o644, httpdConf},
		{top + "/conf/mime.types", 0o644, "text/html html\ntext/plain txt\n"},
		{top + "/htdocs/index.html", 0o644, "<html><body><h1>It works!</h1></body></html>\n"},
		{"usr/local/bin/httpd-foreground", 0o755, httpdForeground},
		{".wh.below", 0o644, ""},
	}
	for _, f := range files {
		if err := t.File(f.path, f.mode, f.content); err != nil {
			return err
		}
	}
	return nil
}

// unpack downloads Apache and its libraries and unpacks them into two trees.
func unpack(work, libs, server string) error {
	for _, dir := range []string{libs, server} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	packages, err := closure("apache2-bin")
	if err != nil {
		return err
	}
	args := append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, packages...)
	if _, err := output(work, "apt-get", args...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(debs) != len(packages) {
		return fmt.Errorf("apt-get gave %d packages, not %d (%v)", len(debs), len(packages), err)
	}
	for _, deb := range debs {
		into := libs
		if strings.HasPrefix(filepath.Base(deb), "apache2") {
			into = server
		}
		// Not dpkg -x: it would replace the links /bin and /lib of a merged tree.
		if _, err := output(work, "dpkg-deb", "-x", deb, into); err != nil {
			return err
		}
	}
	for _, dir := range []string{"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/bug"} {
		for _, tree := range []string{libs, server} {
			if err := os.RemoveAll(filepath.Join(tree, dir)); err != nil {
				return err
			}
		}
	}
	gconv, _ := filepath.Glob(filepath.Join(libs, "usr/lib/*/gconv"))
	for _, dir := range gconv {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(server, "below"), []byte("hidden by the layer above\n"), 0o644)
}

// closure lists a package and the libraries that it needs, and theirs.
func closure(first string) ([]string, error) {
	known, err := depends(first)
	if err != nil || len(known[first]) == 0 {
		// A machine that has never asked its distribution for anything.
		if _, err := output("/", "apt-get", "-q=2", "update"); err != nil {
			return nil, err
		}
		if known, err = depends(first); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{first: true}
	list := []string{first}
	for i := 0; i < len(list); i++ {
		for _, p := range known[list[i]] {
			if !seen[p] && isLibrary(p) {
				seen[p] = true
				list = append(list, p)
			}
		}
	}
	return list, nil
}

// isLibrary leaves out scripts' interpreters and what only sets a machine up.
func isLibrary(p string) bool {
	for _, not := range []string{"libperl", "libpam", "libgcc-s1-", "libsystemd"} {
		if strings.HasPrefix(p, not) {
			return false
		}
	}
	return strings.HasPrefix(p, "lib") || strings.HasPrefix(p, "zlib") || p == "apache2-data"
}

// depends asks apt for each package's direct dependencies, over all that the
// first one leads to.
func depends(first string) (map[string][]string, error) {
	out, err := output("/", "apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
		"--no-breaks", "--no-replaces", "--no-enhances", first)
	if err != nil {
		return nil, err
	}
	known, at := map[string][]string{}, ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, " ") {
			at = line
			continue
		}
		kind, name, ok := strings.Cut(strings.TrimLeft(line, " |"), ": ")
		if ok && strings.HasSuffix(kind, "Depends") && !strings.HasPrefix(name, "<") {
			known[at] = append(known[at], name)
		}
	}
	return known, nil
}
