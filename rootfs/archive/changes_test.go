package archive

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestApplyChanges(t *testing.T) {
	for _, c := range []struct{ changes, want string }{
		{`CMD ["a","b c"]`, `{"Cmd":["a","b c"]}`},
		{`cmd echo hi`, `{"Cmd":["/bin/sh","-c","echo hi"]}`},
		{`CMD=/bin/x`, `{"Cmd":["/bin/sh","-c","/bin/x"]}`},
		{"ENTRYPOINT [\"a\"]\nENTRYPOINT ", `{}`},
		{"ENV A=1 B='2 3'\nENV A=4\nENV OLD one two", `{"Env":["A=4","B=2 3","OLD=one two"]}`},
		{`ENV A=a\ b`, `{"Env":["A=a b"]}`},
		{"EXPOSE 80 81/UDP 90-92", `{"ExposedPorts":{"80/tcp":{},"81/udp":{},"90/tcp":{},"91/tcp":{},"92/tcp":{}}}`},
		{`HEALTHCHECK --interval=5s --retries=2 CMD test -e /ok`, `{"Healthcheck":{"Test":["CMD-SHELL","test -e /ok"],"Interval":5000000000,"Retries":2}}`},
		{`healthcheck CMD ["/bin/sh","x"]`, `{"Healthcheck":{"Test":["CMD","/bin/sh","x"]}}`},
		{"HEALTHCHECK CMD x\nHEALTHCHECK NONE", `{"Healthcheck":{"Test":["NONE"]}}`},
		{`LABEL "a b"="c d" e=f`, `{"Labels":{"a b":"c d","e":"f"}}`},
		{"WORKDIR a\nWORKDIR b/../c", `{"WorkingDir":"/a/c"}`},
		{`VOLUME ["/a","/b c"]` + "\nVOLUME /d /e", `{"Volumes":{"/a":{},"/b c":{},"/d":{},"/e":{}}}`},
		{"USER 1:2\nSTOPSIGNAL SIGKILL\nONBUILD RUN x", `{"User":"1:2","StopSignal":"SIGKILL","OnBuild":["RUN x"]}`},
	} {
		var config Config
		err := ApplyChanges(&config, strings.Split(c.changes, "\n"))
		got, _ := json.Marshal(config)
		if err != nil || string(got) != c.want {
			t.Errorf("%q:\ngot  %s, %v\nwant %s", c.changes, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "CMD", "FROM x", "USER ", "WORKDIR ", "EXPOSE 0", "EXPOSE 2-1", "EXPOSE 1/x", "EXPOSE ", "LABEL a", "LABEL =b", "ENV a", `ENV a="`, "VOLUME ", `VOLUME [""]`, "STOPSIGNAL a b", "ONBUILD ", "HEALTHCHECK", "HEALTHCHECK x", "HEALTHCHECK CMD", "HEALTHCHECK NONE x", "HEALTHCHECK --no=1 CMD x", "HEALTHCHECK --interval=-1s CMD x", "HEALTHCHECK --retries=0 CMD x"} {
		if err := ApplyChanges(&Config{}, []string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzApplyChanges(f *testing.F) {
	for _, seed := range []string{"CMD [", `ENV a="b\`, "EXPOSE 1-65535/udp", "LABEL x=y z", "VOLUME [1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, change string) {
		var config Config
		if err := ApplyChanges(&config, []string{change}); err != nil && !strings.Contains(err.Error(), "invalid change") {
			t.Errorf("%q: %v", change, err)
		}
	})
}

func TestIsLayoutFile(t *testing.T) {
	for name, want := range map[string]bool{
		"oci-layout": true, "index.json": true, "blobs/sha256/0a": true,
		"blobs": false, "blobs/sha256": false, "blobs/../x": false, "blobs/sha256/../../x": false, "blobs/sha256/a/b": false,
		"/index.json": false, "../index.json": false, "manifest.json": false, "blobs//x": false, "blobs/SHA/x": false,
	} {
		if got := isLayoutFile(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}
