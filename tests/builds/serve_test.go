package builds

import (
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// address is where the files of testdata/served and a git repository are served. The
// network namespace is the test's own, so the port is free.
const address = "127.0.0.1:8080"

// served are the files that a URL of a case may name; they are one directory, and
// with it archives of all kinds.
const makeServed = `
set -e
umask 022
mkdir -p archive/sub
echo remote >file.txt
echo 'inner file' >archive/inner
echo deeper >archive/sub/deep
ln -s inner archive/link
chmod 750 archive/sub
chown -R 12:34 archive/sub
find . -exec touch -h -d 2022-03-04T05:06:07Z {} +
tar -cf archive.tar archive
gzip -nk archive.tar; bzip2 -k archive.tar; xz -k archive.tar; zstd -q archive.tar
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.com GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.com
export GIT_AUTHOR_DATE='2022-03-04T05:06:07Z' GIT_COMMITTER_DATE='2022-03-04T05:06:07Z'
git init -q -b main work
cd work
mkdir -p dir/below
echo one >readme; echo two >dir/two; echo three >dir/below/three
printf 'FROM busybox\nCOPY . /all\n' >Dockerfile
git add . && git commit -q -m first && git tag v1
git checkout -q -b other && echo other >readme && git commit -q -a -m other && git checkout -q main
cd ..
git clone -q --bare work git/repo.git 2>/dev/null
git -C git/repo.git config http.receivepack false
find . -maxdepth 1 -type f -exec touch -d 2022-03-04T05:06:07Z {} +
`

// serve makes the files and serves them.
func (b *bed) serve(t *testing.T) {
	t.Helper()
	dir := filepath.Join(b.top, "served")
	cmd := exec.Command("sh", "-c", makeServed)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+b.top+"/home")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot make the files to serve: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(dir)))
	mux.Handle("/git/", &cgi.Handler{
		Path: "/usr/lib/git-core/git-http-backend", Root: "/git",
		Env: []string{"GIT_PROJECT_ROOT=" + dir + "/git", "GIT_HTTP_EXPORT_ALL=1", "HOME=" + b.top + "/home"},
	})
	mux.HandleFunc("/missing", http.NotFound)
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/file.txt", http.StatusFound)
	})
	mux.HandleFunc("/named", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="said.txt"`)
		w.Header().Set("Last-Modified", time.Date(2022, 3, 4, 5, 6, 7, 0, time.UTC).Format(http.TimeFormat))
		w.Write([]byte("named by a header\n"))
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { s.Serve(l); close(done) }()
	t.Cleanup(func() { s.Close(); <-done })
}
