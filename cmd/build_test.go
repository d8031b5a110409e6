package cmd

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/rootfs/imagecall"
)

// buildLine reads a command line of build, in a directory with a Dockerfile, as
// far as the request; the error is what would be printed.
func buildLine(t *testing.T, name string, args ...string) (libpod.BuildRequest, string) {
	t.Helper()
	var got libpod.BuildRequest
	var errs bytes.Buffer
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	app := &App{In: in, Out: &errs, Err: &errs, Name: name, Docker: name == "docker"}
	app.Engine = func() (*libpod.Engine, error) { return &libpod.Engine{}, nil }
	c := command{name: "build", new: func(*App) *cli.Command {
		made := newBuild(app)
		made.Action = func(c *cli.Context) error {
			b := &build{app: app, c: c}
			t.Cleanup(b.clean)
			err := b.request(&libpod.Engine{})
			got = b.req
			return err
		}
		return made
	}}
	report(app, invoke(app, &c, "build", args))
	return got, errs.String()
}

// contextDir makes a directory with these files the working directory.
func contextDir(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, n)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, n), []byte("FROM scratch\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, v := range []string{"SOURCE_DATE_EPOCH", "BUILDKIT_PROGRESS", "BUILDAH_LAYERS", "DOCKER_HOST", "CONTAINER_HOST"} {
		t.Setenv(v, "")
	}
	return dir
}

func TestBuildRequest(t *testing.T) {
	dir := contextDir(t, "Dockerfile", "sub/Dockerfile", "secret")
	t.Setenv("FROM_CALLER", "hers")
	for line, want := range map[string]string{
		".":                        `{"context":"DIR","progress":"steps"}`,
		"-f sub/Dockerfile":        `{"context":"DIR/sub","file":"DIR/sub/Dockerfile","progress":"steps"}`,
		"-f Dockerfile sub":        `{"context":"DIR/sub","file":"DIR/Dockerfile","progress":"steps"}`,
		"-":                        `{"context":"-","progress":"steps"}`,
		"-f d https://h/x.git#a:b": `{"context":"https://h/x.git#a:b","file":"d","progress":"steps"}`,
		"-f https://h/D .":         `{"context":"DIR","file":"https://h/D","progress":"steps"}`,
		"-f - .":                   `{"context":"DIR","file":"-","progress":"steps"}`,
		"-t a -t b:1 --target x .": `{"context":"DIR","tags":["a","b:1"],"target":"x","progress":"steps"}`,
		"--build-arg A=b=c --build-arg FROM_CALLER --build-arg NOBODY_HAS .": `{"context":"DIR","args":{"A":"b=c","FROM_CALLER":"hers"},"progress":"steps"}`,
		"--platform linux/amd64,linux/arm64 --platform linux/arm/v7 .":       `{"context":"DIR","platform":["linux/amd64","linux/arm64","linux/arm/v7"],"progress":"steps"}`,
		"--arch arm64 .":                        `{"context":"DIR","platform":["linux/arm64"],"progress":"steps"}`,
		"-o out .":                              `{"context":"DIR","outputs":[{"type":"local","attrs":{"dest":"DIR/out"}}],"progress":"steps"}`,
		"-o - .":                                `{"context":"DIR","outputs":[{"type":"tar","attrs":{"dest":"-"}}],"progress":"plain"}`,
		"--push --load .":                       `{"context":"DIR","outputs":[{"type":"registry"},{"type":"docker"}],"progress":"steps"}`,
		"-o type=image,name=a --push .":         `{"context":"DIR","outputs":[{"type":"image","attrs":{"name":"a","push":"true"}}],"progress":"steps"}`,
		"--secret id=s,src=secret .":            `{"context":"DIR","secrets":[{"id":"s","file":"DIR/secret"}],"progress":"steps"}`,
		"--secret id=FROM_CALLER .":             `{"context":"DIR","secrets":[{"id":"FROM_CALLER","env":"FROM_CALLER"}],"progress":"steps"}`,
		"--ssh default --build-context a=sub .": `{"context":"DIR","contexts":{"a":"DIR/sub"},"ssh":[{"id":"default"}],"progress":"steps"}`,
		"--no-cache --no-cache-filter a,b --cache-ttl 1h --jobs 3 .": `{"context":"DIR","noCache":true,"noCacheStages":["a","b"],"cacheTTL":"1h","jobs":3,"progress":"steps"}`,
		"--layers=false .":                  `{"context":"DIR","noCache":true,"squash":true,"progress":"steps"}`,
		"--timestamp 5 .":                   `{"context":"DIR","timestamp":5,"progress":"steps"}`,
		"--build-arg SOURCE_DATE_EPOCH=6 .": `{"context":"DIR","args":{"SOURCE_DATE_EPOCH":"6"},"timestamp":6,"progress":"steps"}`,
		"--check .":                         `{"context":"DIR","check":true,"progress":"steps"}`,
		"--call outline,format=json .":      `{"context":"DIR","call":"outline","callJSON":true,"progress":"steps"}`,
		"-q --progress plain .":             `{"context":"DIR","progress":"quiet"}`,
		"--network host --rm --force-rm --compress --isolation oci .":                          `{"context":"DIR","progress":"steps","network":"host"}`,
		"--env A=b --unsetenv C --unsetlabel D --label e=f --annotation g=h --format docker .": `{"context":"DIR","labels":{"e":"f"},"annotations":{"g":"h"},"env":["A=b"],"unsetEnv":["C"],"unsetLabels":["D"],"format":"docker","progress":"steps"}`,
		"--squash-all --manifest m --metadata-file f .":                                        `{"context":"DIR","manifest":"m","squashAll":true,"progress":"steps","metadataFile":"DIR/f"}`,
	} {
		req, errs := buildLine(t, "skiff", strings.Fields(line)...)
		data, err := json.Marshal(req.Build)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(string(data), dir, "DIR"); got != want || errs != "" {
			t.Errorf("build %s: got\n%s\n%swant\n%s", line, got, errs, want)
		}
	}
	req, errs := buildLine(t, "docker", ".")
	if req.Build.Format != "docker" || req.Build.Progress != "plain" || errs != "" {
		t.Errorf("as docker: got format %q, progress %q, %s", req.Build.Format, req.Build.Progress, errs)
	}
}

func TestBuildMistakes(t *testing.T) {
	dir := contextDir(t, "Dockerfile", "sub/other")
	for line, want := range map[string]string{
		"":                                      "Error: no context directory and no Containerfile specified\n",
		"a b":                                   "Error: accepts at most 1 arg(s), received 2\nSee 'skiff build --help'\n",
		"sub":                                   "Error: no Containerfile or Dockerfile specified or found in context directory, DIR/sub: no such file or directory\n",
		"-f nothing .":                          "Error: the specified Containerfile or Dockerfile does not exist, DIR/nothing: no such file or directory\n",
		"nowhere":                               "Error: stat DIR/nowhere: no such file or directory\n",
		"Dockerfile":                            "Error: context must be a directory: \"DIR/Dockerfile\"\n",
		"-f - -":                                "Error: cannot read both the context and the Dockerfile from standard input\n",
		"--squash --squash-all .":               "Error: cannot specify --squash-all with --squash\n",
		"--progress fancy .":                    "Error: invalid value \"fancy\" for --progress: want auto, plain, steps, tty, quiet or rawjson\n",
		"--progress tty .":                      "Error: cannot use --progress=tty: standard error is no terminal\n",
		"--shell-on-failure .":                  "Error: cannot use --shell-on-failure: it needs a terminal\n",
		"--pull=sometimes .":                    "Error: invalid pull policy \"sometimes\": want always, missing, never or newer\n",
		"--pull --pull-never .":                 "Error: can only set one of 'pull' or 'pull-always' or 'pull-never'\n",
		"--secret id=s,src=none .":              "Error: cannot use secret \"s\": stat DIR/none: no such file or directory\n",
		"--secret id=s,env=NOBODY_ .":           "Error: cannot use secret \"s\": there is no variable \"NOBODY_\"\n",
		"-o - -o type=oci .":                    "Error: only one result can go to standard output: give the others a dest\n",
		"--platform x .":                        "",
		"--platform a/b/c/d .":                  "Error: invalid platform \"a/b/c/d\": want OS/ARCHITECTURE[/VARIANT] such as linux/arm64\n",
		"--platform linux/amd64 --arch arm64 .": "Error: --platform option can not be specified with --arch or --os\n",
		"--timestamp x .":                       "Error: invalid value \"x\" for --timestamp: want seconds since 1970\n",
		"--cache-ttl x .":                       "Error: invalid value \"x\" for --cache-ttl: want a duration such as 24h\n",
		"--allow everything .":                  "Error: invalid value \"everything\" for --allow: want security.insecure, network.host or device[=NAME]\n",
		"--builder far .":                       "Error: cannot use --builder \"far\": there is only default\n",
		"--format tar .":                        "Error: unrecognized image type \"tar\": want oci or docker\n",
		"--authfile none .":                     "Error: credential file is not accessible: faccessat none: no such file or directory\n",
		"--frobnicate .":                        "Error: unknown flag: --frobnicate\nSee 'skiff build --help'\n",
		"-m x .":                                "Error: invalid value for --memory: invalid size \"x\": want a number with an optional suffix b, k, m, g, t or p\n",
	} {
		if _, errs := buildLine(t, "skiff", strings.Fields(line)...); strings.ReplaceAll(errs, dir, "DIR") != want {
			t.Errorf("build %s: got\n%swant\n%s", line, errs, want)
		}
	}
	for line, want := range map[string]string{
		"":        "\"docker build\" requires exactly 1 argument.\nSee 'docker build --help'.\n",
		"nowhere": "unable to prepare context: path \"nowhere\" not found\n",
		"sub":     "ERROR: failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory\n",
	} {
		if _, errs := buildLine(t, "docker", strings.Fields(line)...); errs != want {
			t.Errorf("docker build %s: got\n%swant\n%s", line, errs, want)
		}
	}
}

func TestBuildTemplate(t *testing.T) {
	contextDir(t, "Dockerfile")
	req, errs := buildLine(t, "skiff", strings.Fields("--pull -m 64m --cpu-shares 5 --ulimit nofile=10:20 --cap-drop ALL --network none --dns 1.2.3.4 --add-host a:1.2.3.5 -v /tmp:/x:ro --shm-size 1m --pid host --ipc container --retry 2 --creds u:p --tls-verify=false .")...)
	tmpl := req.Template
	if errs != "" || tmpl == nil {
		t.Fatalf("got %s", errs)
	}
	cfg := tmpl.Config
	for what, ok := range map[string]bool{
		"pull": tmpl.Pull == "always", "memory": cfg.Resources.Memory == 64<<20, "cpu": cfg.Resources.CPUShares == 5,
		"ulimit": len(cfg.Ulimits) == 1, "cap-drop": len(cfg.Security.CapDrop) == 1, "network": cfg.Network.Mode == "none",
		"dns": len(cfg.Network.DNS) == 1, "add-host": len(cfg.Network.ExtraHosts) == 1, "volume": len(cfg.Mounts) == 1,
		"shm-size": cfg.ShmSize == 1<<20, "pid": cfg.Namespaces.Pid == "host", "ipc": cfg.Namespaces.Ipc == "private",
		"retry": tmpl.Retry != nil && *tmpl.Retry == 2, "creds": tmpl.Username == "u" && tmpl.Password == "p",
		"tls-verify": tmpl.TLSVerify != nil && !*tmpl.TLSVerify,
	} {
		if !ok {
			t.Errorf("--%s did not arrive: %+v", what, tmpl)
		}
	}
}

// Several Dockerfiles, and those that only this process can read, become one file.
func TestBuildJoinsDockerfiles(t *testing.T) {
	dir := contextDir(t, "a", "b")
	os.WriteFile(filepath.Join(dir, "b"), []byte("COPY a /"), 0o644)
	req, errs := buildLine(t, "skiff", "-f", "a", "-f", "b", ".")
	data, err := os.ReadFile(req.Build.File)
	if want := "FROM scratch\n\nCOPY a /\n"; string(data) != want || err != nil {
		t.Errorf("got %q, %v, %s; want %q", data, err, errs, want)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.WriteString("FROM scratch")
	w.Close()
	link := filepath.Join(dir, "fd")
	if err := os.Symlink("/proc/self/fd/"+itoa(int(r.Fd())), link); err != nil {
		t.Fatal(err)
	}
	done := time.AfterFunc(time.Minute, func() { r.Close() })
	defer done.Stop()
	req, errs = buildLine(t, "skiff", "-f", "fd", ".")
	data, err = os.ReadFile(req.Build.File)
	if want := "FROM scratch\n"; string(data) != want || err != nil {
		t.Errorf("of a pipe: got %q, %v, %s; want %q", data, err, errs, want)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestBuildOutcome(t *testing.T) {
	failed := imagecall.Result{Failures: []imagecall.Failure{{Message: "D:2: RUN x: it failed", Code: 7, State: "0123", Step: "RUN x", Place: "D:2", Cause: "it failed"}}}
	for _, tc := range []struct {
		name string
		code int
		text string
	}{
		{"skiff", 7, "Error: building at STEP \"RUN x\": while running runtime: exit status 7 (D:2)\n"},
		{"podman", 7, "Error: building at STEP \"RUN x\": while running runtime: exit status 7 (D:2)\n"}, {"docker", 1, "ERROR: failed to solve: it failed\n"},
	} {
		var errs bytes.Buffer
		app := &App{Err: &errs, Name: tc.name, Docker: tc.name == "docker", command: "build"}
		b := &build{app: app}
		err := b.failed(failed, libpod.ToolErrors(failed)[0])
		report(app, err)
		code := exitCode(err)
		if app.Docker {
			code = dockerCode(app, err)
		}
		if code != tc.code || errs.String() != tc.text {
			t.Errorf("%s: got %d, %q, want %d, %q", tc.name, code, errs.String(), tc.code, tc.text)
		}
	}
}
