package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"skiff/state"
)

// testSyntax reads values in the simplest way that can be told apart.
func testSyntax() Syntax {
	return Syntax{
		Size: func(s string) (int64, error) { var n int64; _, err := fmt.Sscanf(s, "%dm", &n); return n << 20, err },
		Ulimit: func(s string) (state.Ulimit, error) {
			if s == "bad" {
				return state.Ulimit{}, fmt.Errorf("invalid ulimit %q", s)
			}
			return state.Ulimit{Name: s}, nil
		},
		Device: func(s string) (state.Device, error) { return state.Device{Host: s}, nil },
		Volume: func(s string) (state.Mount, error) { return state.Mount{Source: s}, nil },
		Mount:  func(s string) ([]state.Mount, error) { return []state.Mount{{Target: s}}, nil },
		Pairs: func(_ string, words []string) (map[string]string, error) {
			out := map[string]string{}
			for _, w := range words {
				k, v, _ := strings.Cut(w, "=")
				out[k] = v
			}
			return out, nil
		},
		Env:        func(s string) ([]string, error) { return []string{s}, nil },
		Capability: func(s string) ([]string, error) { return []string{"CAP_" + s}, nil },
		IP:         func(s string) (string, error) { return s, nil },
	}
}

type tree struct {
	t    *testing.T
	root string
	env  map[string]string
	// noVendor is Source.NoVendor.
	noVendor bool
}

func (r tree) write(path, text string) string {
	r.t.Helper()
	path = filepath.Join(r.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r tree) source(uid int, modules ...string) Source {
	return Source{NoVendor: r.noVendor,
		Modules: modules, Root: r.root, UID: uid, Syntax: testSyntax(),
		Lookup: func(k string) (string, bool) { v, ok := r.env[k]; return v, ok },
	}
}

func (r tree) load(uid int, modules ...string) (Settings, error) {
	return Load(r.source(uid, modules...))
}

func newTree(t *testing.T) tree { return tree{t: t, root: t.TempDir(), env: map[string]string{}} }

func TestNoFiles(t *testing.T) {
	got, err := newTree(t).load(0)
	if err != nil || !reflect.DeepEqual(got, Settings{}) {
		t.Errorf("without files: %+v, %v; want nothing", got, err)
	}
}

func TestOrderOfFiles(t *testing.T) {
	r := newTree(t)
	set := func(path, tag string) { r.write(path, "[containers]\nlog_tag = \""+tag+"\"\n") }
	check := func(uid int, want string, modules ...string) {
		t.Helper()
		got, err := r.load(uid, modules...)
		if err != nil || got.Containers.LogTag != want {
			t.Errorf("uid %d, modules %v: %q, %v; want %q", uid, modules, got.Containers.LogTag, err, want)
		}
	}
	set("usr/share/containers/containers.conf", "vendor")
	check(0, "vendor")
	r.noVendor = true
	check(0, "")
	r.noVendor = false
	set("etc/containers/containers.conf", "admin")
	check(0, "admin")
	set("etc/containers/containers.conf.d/10-a.conf", "a")
	set("etc/containers/containers.conf.d/20-b.conf", "b")
	set("etc/containers/containers.conf.d/30-c.ignored", "c")
	check(0, "b")
	r.env["HOME"] = filepath.Join(r.root, "home")
	set("home/.config/containers/containers.conf", "user")
	check(1000, "user")
	check(0, "b")
	set("etc/containers/containers.conf.modules/m", "module")
	check(1000, "module", "m")
	r.env["CONTAINERS_CONF_OVERRIDE"] = r.write("override", "[containers]\nlog_tag = \"override\"\n")
	check(0, "override", "m")
	delete(r.env, "CONTAINERS_CONF_OVERRIDE")
	r.env["CONTAINERS_CONF"] = r.write("only", "[containers]\nlog_driver = \"none\"\n")
	check(1000, "")
}

func TestValues(t *testing.T) {
	r := newTree(t)
	r.env["CONTAINERS_CONF"] = r.write("c", `
[engine]
cgroup_manager = "systemd"
retry = 5
retry_delay = "3s"
stop_timeout = 7
runtime = "crun"
env = ["A=b"]
detach_keys = ""
num_locks = 2048
[engine.runtimes]
crun = ["/usr/bin/crun", "/bin/crun"]
[engine.runtimes_flags]
crun = ["debug"]
[containers]
annotations = ["a=b"]
default_ulimits = ["nofile"]
env = ["X=1", "Y=2"]
shm_size = "32m"
log_size_max = -1
pids_limit = 0
default_capabilities = []
default_sysctls = ["net.x=1"]
userns = "madeup"
volumes = ["/a:/b"]
madeup = 1
[network]
firewall_driver = "iptables"
default_subnet = "10.1.2.3/16"
default_host_ips = ["127.0.0.1", "::1"]
default_subnet_pools = [{"base" = "10.89.0.0/16", "size" = 24}]
[machine]
cpus = 3
[nonsense]
x = 1
`)
	got, err := r.load(0)
	if err != nil {
		t.Fatal(err)
	}
	five, seven, none, empty, delay := 5, 7, int64(0), "", 3*time.Second
	want := Settings{
		Engine: Engine{CgroupManager: "systemd", Retry: &five, RetryDelay: &delay, StopTimeout: &seven, Runtime: "crun", RuntimeAsked: true, Env: []string{"A=b"}, DetachKeys: &empty,
			Runtimes: map[string][]string{"crun": {"/usr/bin/crun", "/bin/crun"}}, RuntimesFlags: map[string][]string{"crun": {"debug"}}},
		Containers: Containers{Annotations: map[string]string{"a": "b"}, Ulimits: []state.Ulimit{{Name: "nofile"}}, Env: []string{"X=1", "Y=2"}, ShmSize: 32 << 20, LogSizeMax: -1,
			PidsLimit: &none, DefaultCapabilities: []string{}, Sysctls: map[string]string{"net.x": "1"}, Volumes: []state.Mount{{Source: "/a:/b"}}},
		Network: Network{FirewallDriver: "iptables", DefaultHostIPs: []string{"127.0.0.1", "::1"}, DefaultSubnet: "10.1.0.0/16", DefaultSubnetPools: []SubnetPool{{"10.89.0.0/16", 24}}},
		Files:   []string{r.env["CONTAINERS_CONF"]},
	}
	warned := strings.Join(got.Warnings, "\n")
	for _, w := range []string{"containers.madeup", "containers.userns with the value \"madeup\"", "nonsense.x"} {
		if !strings.Contains(warned, w) {
			t.Errorf("no warning about %s in %q", w, warned)
		}
	}
	if len(got.Warnings) != 3 {
		t.Errorf("%d warnings, want 3: %q", len(got.Warnings), warned)
	}
	got.Warnings = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestAppend(t *testing.T) {
	r := newTree(t)
	r.write("etc/containers/containers.conf", "[containers]\nenv = [\"A=1\"]\ndefault_ulimits = [\"a\"]\n")
	r.write("etc/containers/containers.conf.d/x.conf", "[containers]\nenv = [\"B=2\", {append=true}]\ndefault_ulimits = [\"b\"]\n")
	got, err := r.load(0)
	if err != nil || !reflect.DeepEqual(got.Containers.Env, []string{"A=1", "B=2"}) || len(got.Containers.Ulimits) != 1 {
		t.Errorf("env %q, ulimits %v, %v; want the first appended, the second replaced", got.Containers.Env, got.Containers.Ulimits, err)
	}
}

func TestBadFiles(t *testing.T) {
	for text, want := range map[string]string{
		"[containers":                                                         "cannot read the configuration file",
		"[engine]\ncgroup_manager = \"x\"":                                    "engine.cgroup_manager: invalid value",
		"[engine]\nretry = \"x\"":                                             "engine.retry: want a whole number",
		"[containers]\nenv = \"A=1\"":                                         "containers.env: want a list",
		"[containers]\nenv = [1]":                                             "containers.env: want a list of strings",
		"[containers]\ninit = 1":                                              "containers.init: want true or false",
		"[containers]\ndefault_ulimits = [\"bad\"]":                           "containers.default_ulimits: invalid ulimit",
		"[network]\ndefault_host_ips = [\"x\"]":                               "network.default_host_ips: invalid address",
		"[network]\ndefault_subnet = \"x\"":                                   "network.default_subnet: invalid subnet",
		"[network]\ndefault_subnet_pools = [{base=\"10.0.0.0/24\", size=16}]": "invalid pool",
		"[engine]\nenv = [\"x\"]":                                             "engine.env: \"x\" is not NAME=value",
		"[engine]\nretry_delay = \"-1s\"":                                     "engine.retry_delay: invalid duration",
	} {
		r := newTree(t)
		r.env["CONTAINERS_CONF"] = r.write("c", text)
		_, err := r.load(0)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), r.env["CONTAINERS_CONF"]) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want one line with the path and %q", text, err, want)
		}
	}
	r := newTree(t)
	r.env["CONTAINERS_CONF"] = filepath.Join(r.root, "missing")
	if _, err := r.load(0); err == nil {
		t.Error("a file that was named must be there")
	}
	delete(r.env, "CONTAINERS_CONF")
	if _, err := r.load(0, "nomodule"); err == nil {
		t.Error("a module that was named must be there")
	}
}

func TestWithoutComments(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"# a\n[engine]\n \t# b\nx = 1 # c\n#d", "\n[engine]\n\nx = 1 # c\n\n"},
		{"x = [\n  # one\n  \"# two\",\n]\n", "x = [\n\n  \"# two\",\n]\n"},
		{"x = \"\"\"\n# text\n\"\"\"\n# a\n", "x = \"\"\"\n# text\n\"\"\"\n# a\n"},
		{"x = '''\n# text\n'''\n", "x = '''\n# text\n'''\n"},
	} {
		if got := withoutComments(c.text); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.text, got, c.want)
		}
	}
}
