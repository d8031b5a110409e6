package recipe

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// newer is what BuildKit has come to write differently since the one in Docker
// 20.10, whose words testdata/docker has: an argument with the value in force,
// --chown, the ports of EXPOSE as a list, and HEALTHCHECK with names and with the
// start interval.
func newer() *strings.Replacer {
	return strings.NewReplacer(
		`"ARG GIVEN=no"`, `"ARG GIVEN=yes"`,
		`"COPY a . # buildkit"`, `"COPY --chown=5:6 a . # buildkit"`,
		`"ADD a b.txt /q/ # buildkit"`, `"ADD --chown=7 a b.txt /q/ # buildkit"`,
		`"COPY /f /i # buildkit"`, `"COPY --chown=1:2 /f /i # buildkit"`,
		`map[443/tcp:{} 53/udp:{} 80/tcp:{}]`, `[443/tcp 53/udp 80/tcp]`,
		`map[8000/tcp:{} 8001/tcp:{} 8002/tcp:{}]`, `[8000/tcp 8001/tcp 8002/tcp]`,
		`&{[\"CMD\" \"a\" \"b c\"] \"0s\" \"0s\" \"0s\" '\\x00'}`,
		`{Test:[CMD a b c] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}`,
		`&{[\"NONE\"] \"0s\" \"0s\" \"0s\" '\\x00'}`,
		`{Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}`,
		`&{[\"CMD-SHELL\" \"wget -q http://x || exit 1\"] \"5m0s\" \"3s\" \"1s\" '\\x04'}`,
		`{Test:[CMD-SHELL wget -q http://x || exit 1] Interval:5m0s Timeout:3s StartPeriod:1s StartInterval:0s Retries:4}`,
	)
}

// TestAgainstDocker compares with what Docker 20.10's BuildKit made of the same
// Dockerfiles, with --build-arg GIVEN=yes and http_proxy.
func TestAgainstDocker(t *testing.T) {
	files, err := filepath.Glob("testdata/docker/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txtar")
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			bases := map[string]Config{}
			decode(t, get(a, "base.json"), &bases)
			o := Options{Args: map[string]string{"GIVEN": "yes", "http_proxy": "http://p"}}
			r, plans, err := planAll(get(a, "Dockerfile"), o, bases)
			if err != nil {
				t.Fatal(err)
			}
			history, config := "", ""
			for i := r.Result; i >= 0; {
				own := ""
				for _, s := range plans[i].Steps {
					j, _ := json.Marshal(s.CreatedBy)
					own += unescaped(j) + "\n"
				}
				history = own + history
				if i = r.Stages[i].BaseAt; i < 0 {
					break
				}
			}
			j, _ := json.Marshal(plans[r.Result].Config)
			var fields map[string]any
			decode(t, j, &fields)
			j, _ = json.MarshalIndent(fields, "", " ")
			config = unescaped(j) + "\n"
			if want := newer().Replace(string(get(a, "history"))); history != want {
				t.Errorf("history:\ngot:\n%s\nwant:\n%s", history, want)
			}
			if want := string(get(a, "config")); config != want {
				t.Errorf("config:\ngot:\n%s\nwant:\n%s", config, want)
			}
		})
	}
}

// unescaped undoes what JSON does for browsers.
func unescaped(j []byte) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(j))
}
