package cmd

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"skiff/libpod"
	"skiff/libpod/inspect"
	"skiff/libpod/settings"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
)

// recordsApp is an app over records in a directory of the test's: two
// containers and two images, made an hour ago.
func recordsApp(t *testing.T) *App {
	t.Helper()
	dir := t.TempDir()
	opt := libpod.Options{Roots: dirs.Roots{Data: dir + "/data", Run: dir + "/run"}}
	e, err := libpod.Open(opt, settings.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	made := time.Now().Add(-time.Hour - time.Second)
	images := []state.Image{
		{ID: strings.Repeat("1", 64), Names: []string{"docker.io/library/httpd:2.4", "localhost/web:latest"}, Size: 1234567, Digest: "sha256:d1"},
		{ID: strings.Repeat("2", 64), Size: 10},
	}
	if err := os.MkdirAll(e.Roots.ImageNames(), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, img := range images {
		img.Version, img.Created = state.ImageVersion, made.Add(-time.Duration(i)*time.Hour)
		if err := jsonfile.Write(e.Roots.Image(img.ID), img, jsonfile.Volatile); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"web", "db"} {
		cfg := &state.Config{
			Version: state.ConfigVersion, ID: strings.Repeat(string("ab"[i]), 64), Name: name,
			Created: made.Add(time.Duration(i) * time.Millisecond), Labels: map[string]string{"app": name, "z": "1"},
			Image:   state.ImageRef{ID: images[0].ID, Name: images[0].Names[0]},
			Process: state.Process{Cmd: []string{"serve", "--with", "a\x1blot-of-arguments"}},
			Network: state.Network{Mode: state.ModeNone, Expose: []string{"80/tcp"}},
		}
		if err := e.Store.Create(cfg); err != nil {
			t.Fatal(err)
		}
	}
	st := state.Status{Version: 1, BootID: e.Store.BootID, Phase: state.Exited, ExitCode: 7, FinishedAt: time.Now().Add(-2 * time.Minute)}
	if err := jsonfile.Write(e.Roots.Container(strings.Repeat("a", 64)).Exit(), st, jsonfile.Volatile); err != nil {
		t.Fatal(err)
	}
	return &App{Name: "skiff", Engine: func() (*libpod.Engine, error) { return e, nil }}
}

// say runs one command line and gives what it printed and its exit code.
func say(app *App, words ...string) (out, errs string, code int) {
	var o, e bytes.Buffer
	app.Out, app.Err = &o, &e
	code = run(app, append([]string{app.Name}, words...))
	return o.String(), e.String(), code
}

func TestLists(t *testing.T) {
	app := recordsApp(t)
	for _, c := range []struct {
		docker bool
		line   string
		want   string
	}{
		{false, "ps", "CONTAINER ID  IMAGE       COMMAND     CREATED     STATUS      PORTS       NAMES\n"},
		{false, "ps -a", "" +
			"CONTAINER ID  IMAGE                        COMMAND                  CREATED            STATUS                    PORTS       NAMES\n" +
			"aaaaaaaaaaaa  docker.io/library/httpd:2.4  serve --with a\\x1blo...  About an hour ago  Exited (7) 2 minutes ago  80/tcp      web\n" +
			"bbbbbbbbbbbb  docker.io/library/httpd:2.4  serve --with a\\x1blo...  About an hour ago  Created                   80/tcp      db\n"},
		{true, "ps -a --format {{.Names}}|{{.Image}}|{{.Command}}|{{.State}}", "" +
			"db|httpd:2.4|\"serve --with a\\x1blot-…\"|created\nweb|httpd:2.4|\"serve --with a\\x1blot-…\"|exited\n"},
		{false, "ps -aq --no-trunc --filter name=db", strings.Repeat("b", 64) + "\n"},
		{false, "ps -a --sort names --format {{.Names}}", "db\nweb\n"},
		{false, "ps -l --format {{.Names}}", "db\n"},
		{false, "ps -n 1 --noheading --format {{.Names}}:{{.Labels}}:{{.Label·\"app\"}}", "db:app=db,z=1:db\n"},
		{false, "ps -a --filter status=exited --format {{.ExitCode}}:{{.Exited}}:{{.Namespaces.Cgroup}}:{{.Pid}}", "7:true::0\n"},
		{false, "images", "" +
			"REPOSITORY               TAG         IMAGE ID      CREATED            SIZE\n" +
			"docker.io/library/httpd  2.4         111111111111  About an hour ago  1.23 MB\n" +
			"localhost/web            latest      111111111111  About an hour ago  1.23 MB\n" +
			"<none>                   <none>      222222222222  2 hours ago        10 B\n"},
		{true, "images --digests -q --no-trunc", "sha256:" + strings.Repeat("1", 64) + "\nsha256:" + strings.Repeat("2", 64) + "\n"},
		{true, "images httpd --format {{.Repository}}:{{.Tag}}:{{.Size}}", "httpd:2.4:1.23MB\n"},
		{false, "images -n web", "localhost/web  latest      111111111111  About an hour ago  1.23 MB\n"},
		{false, "image ls --filter dangling=true --format {{.ID}}:{{.Repository}}", "222222222222:<none>\n"},
		{false, "images --sort size --format {{.Size}}", "10 B\n1.23 MB\n1.23 MB\n"},
	} {
		app.Docker = c.docker
		words := strings.Fields(c.line)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "·", " ")
		}
		out, errs, code := say(app, words...)
		if out != c.want || errs != "" || code != 0 {
			t.Errorf("%s: status %d, %q, got\n%s\nwant\n%s", c.line, code, errs, out, c.want)
		}
	}
}

func TestListsAsJSON(t *testing.T) {
	app := recordsApp(t)
	for line, wants := range map[string][]string{
		"ps -a --format json":             {`"Id": "aaaa`, `"Names": [`, `"State": "exited"`, `"Status": "Exited (7) 2 minutes ago"`, `"ExitCode": 7`},
		"ps -a --format {{json·.Labels}}": {`"app=web,z=1"`},
		"images --format json":            {`"Repository": "docker.io/library/httpd"`, `"Containers": 2`, `"Dangling": true`, `"Size": 1234567`},
	} {
		out, errs, code := say(app, strings.Split(strings.ReplaceAll(strings.ReplaceAll(line, " ", "|"), "·", " "), "|")...)
		for _, want := range wants {
			if !strings.Contains(out, want) || code != 0 {
				t.Errorf("%s: status %d, %s, got\n%s\nwithout %s", line, code, errs, out, want)
			}
		}
	}
	app.Docker = true
	out, _, _ := say(app, "ps", "-a", "--format", "json")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[0], `{"Command":`) {
		t.Errorf("docker's json is a document a line, got\n%s", out)
	}
}

func TestInspectCommand(t *testing.T) {
	app := recordsApp(t)
	id := strings.Repeat("a", 64)
	for _, c := range []struct {
		line      string
		out, errs string
		code      int
	}{
		{"inspect --format {{.ID}}:{{.State.ExitCode}} web", id + ":7\n", "", 0},
		{"inspect --format {{.Id}} httpd:2.4", strings.Repeat("1", 64) + "\n", "", 0},
		{"inspect --type image --format {{.Id}} web", strings.Repeat("1", 64) + "\n", "", 0},
		{"inspect --format {{.Name}} -l", "db\n", "", 0},
		{"inspect --format {{.Name}} web nope db", "web\ndb\n", "Error: no such object: \"nope\"\n", 125},
		{"inspect nope", "[]\n", "Error: no such object: \"nope\"\n", 125},
		{"container inspect --format {{.Nope}} web", "", "can't evaluate field Nope", 125},
		{"inspect --format {{.Name web", "", "cannot understand the format", 125},
		{"inspect --type pod x", "", "invalid type \"pod\"", 125},
		{"inspect", "", "no names or ids specified", 125},
		{"inspect -l web", "", "--latest and arguments cannot be used together", 125},
		{"image exists web", "", "", 0}, {"image exists nope", "", "", 1}, {"container exists db", "", "", 0}, {"container exists dbx", "", "", 1},
	} {
		out, errs, code := say(app, strings.Fields(c.line)...)
		if out != c.out || !strings.Contains(errs, c.errs) || errs != "" && c.errs == "" || code != c.code {
			t.Errorf("%s: status %d, want %d; out %q, want %q; err %q, want %q", c.line, code, c.code, out, c.out, errs, c.errs)
		}
	}
}

func TestListUsage(t *testing.T) {
	app := recordsApp(t)
	for line, want := range map[string]string{
		"ps --sort age":                   `invalid value "age" for --sort`,
		"ps -q -s":                        "quiet conflicts with size",
		"ps -n 1 -l":                      "last and latest are mutually exclusive",
		"ps --filter x":                   `invalid container filter "x": must be in the format "filter=value or filter!=value"`,
		"ps --filter x=y":                 "x is an invalid filter",
		"ps --format {{.Nope}} -a":        "can't evaluate field Nope",
		"images --filter json":            `Error: invalid image filter "json": must be in the format "filter=value or filter!=value"`,
		"images --filter dangling=true x": "cannot specify an image and a filter(s)",
		"images --sort age":               `invalid value "age" for --sort`,
		"history":                         "requires exactly 1 arg",
		"history nope":                    "nope: image not known",
		"port web 80":                     `failed to find published port "80/tcp" of container web`,
		"port web eighty":                 `invalid port "eighty"`,
		"port":                            "you must supply a running container name or id",
		"rmi":                             "image name or ID must be specified",
		"rmi -a x":                        "you may not pass any images names or IDs",
		"pull --policy invalid x":         `Error: unsupported pull policy "invalid"`,
		"pull --retry-delay bogus x":      `Error: time: invalid duration "bogus"`,
		"pull --platform a/b --arch c x":  "--platform option can not be specified",
		"push --format docx x":            `unknown format "docx"`,
		"save --format zip x":             `unknown format "zip"`,
		"save --format oci-dir x":         "needs --output",
		"search --list-tags -f stars=1 x": "filters are not applicable to list tags result",
		"login -p x":                      "must provide --username with --password",
		"login --authfile a --compat-auth-file b x": "can not be set simultaneously",
		"logout -a x": "--all takes no arguments",
		"load x":      "the command takes no arguments",
	} {
		out, errs, code := say(app, strings.Fields(line)...)
		if !strings.Contains(errs, want) || code != 125 || strings.Count(errs, "\n") > 2 {
			t.Errorf("%s: status %d, %q; error %q, want %q", line, code, out, errs, want)
		}
	}
}

func TestVersionAndInfo(t *testing.T) {
	app := recordsApp(t)
	if out, _, code := say(app, "version", "--format", "{{.Client.Version}}|{{.Version}}"); code == 0 {
		t.Errorf("a template that fits neither document was taken: %q", out)
	}
	for line, want := range map[string]string{
		"version --format {{.Client.Version}}": Version + "\n",
		"version --format {{.Version}}":        Version + "\n",
		"version --format {{.Server.Os}}":      "linux\n",
		"info --format {{.Store.ContainerStore.Number}}:{{.Store.ImageStore.Number}}:{{.Host.OS}}": "2:2:linux\n",
		"info --format {{.Store.GraphOptions}}":                                                    "map[]\n",
	} {
		if out, errs, code := say(app, strings.Fields(line)...); out != want || code != 0 {
			t.Errorf("%s: status %d, got %q %q, want %q", line, code, out, errs, want)
		}
	}
	out, _, _ := say(app, "info")
	for _, want := range []string{"host:\n", "store:\n", "  containerStore:\n    number: 2\n", "  graphDriverName: overlay\n", "version:\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("info lacks %q:\n%s", want, out)
		}
	}
}

func TestStatusWords(t *testing.T) {
	now := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		phase  state.Phase
		docker bool
		want   string
	}{
		{state.Created, false, "Created"}, {state.Running, false, "Up 5 minutes"}, {state.Paused, false, "Paused"},
		{state.Paused, true, "Up 5 minutes (Paused)"}, {state.Restarting, true, "Restarting (1) 3 seconds ago"},
		{state.Exited, true, "Exited (1) 3 seconds ago"}, {state.Removing, true, "Removal In Progress"},
		{state.Dead, true, "Dead"}, {state.Dead, false, "Dead"},
	} {
		r := psRow{now: now, docker: c.docker, c: &inspect.Container{Config: &state.Config{}, Status: state.Live{Status: state.Status{
			Phase: c.phase, ExitCode: 1, StartedAt: now.Add(-5 * time.Minute), FinishedAt: now.Add(-3 * time.Second),
		}}}}
		if got := r.Status(); got != c.want {
			t.Errorf("%s (docker %v): got %q, want %q", c.phase, c.docker, got, c.want)
		}
	}
}
