package resolve

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skiff/libpod/settings"
	"skiff/runtime/hostfacts"
	"skiff/state"
	"skiff/state/dirs"
)

var update = flag.Bool("update", false, "write the golden files anew")

type fakeHost struct{ systemd, v2 bool }

func (fakeHost) CPUs() int       { return 4 }
func (h fakeHost) Systemd() bool { return h.systemd }
func (h fakeHost) Cgroup() hostfacts.Cgroup {
	if h.v2 {
		return hostfacts.Cgroup{Mode: hostfacts.CgroupV2, UserManager: []string{"pids"}}
	}
	return hostfacts.Cgroup{Mode: hostfacts.CgroupHybrid}
}

const testID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func testInput() Input {
	n := 0
	return Input{
		ImageName: "docker.io/library/httpd:latest",
		Host:      fakeHost{},
		Log:       dirs.Roots{Data: "/data", Run: "/run"}.Container,
		NewID:     func() string { n++; return strings.Repeat(string(rune('a'+n-1)), 64) },
		Now:       func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		Find: func(ref string) (*state.Config, error) {
			if ref != "web" && ref != testID {
				return nil, state.ErrNotFound
			}
			return &state.Config{ID: testID, Hostname: "webhost"}, nil
		},
	}
}

func testImage() *state.Image {
	return &state.Image{ID: "feed", Config: state.ImageConfig{
		User: "www", Env: []string{"PATH=/bin", "A=image"}, Entrypoint: []string{"/entry"}, Cmd: []string{"serve"},
		WorkingDir: "/srv", Labels: map[string]string{"from": "image", "both": "image"}, ExposedPorts: []string{"80/tcp", "443/tcp"},
		Volumes: []string{"/var/data", "/cache"}, StopSignal: "SIGWINCH",
		Healthcheck: &state.Healthcheck{Test: []string{"CMD", "check"}, Interval: time.Minute, Retries: 3},
	}}
}

func TestComplete(t *testing.T) {
	ten, pids := 10, int64(100)
	for _, c := range []struct {
		name  string
		cfg   state.Config
		image bool
		in    func(*Input)
	}{
		{name: "image-only", image: true},
		{name: "everything-from-flags", image: true, cfg: state.Config{
			Process:  state.Process{Entrypoint: []string{"/mine"}, Env: []string{"A=user", "B=1"}, Cwd: "/w", User: "me", StopSignal: 9, StopTimeout: &ten},
			Hostname: "h", Labels: map[string]string{"both": "user"}, Mounts: []state.Mount{{Type: "bind", Source: "/h", Target: "/cache"}, {Type: "volume", Target: "/v", Anonymous: true}},
			Resources: state.Resources{Memory: 64 << 20, NanoCPUs: 5e8, PidsLimit: -1}, Network: state.Network{Mode: "bridge", Endpoints: []state.Endpoint{{Network: "n"}}, Ports: []state.Port{{HostPort: 80, ContainerPort: 8080, Protocol: "tcp"}}},
			Security: state.Security{CapAdd: []string{"CAP_SYS_ADMIN"}, CapDrop: []string{"CAP_CHOWN"}}, Restart: state.RestartPolicy{Name: "always"},
			Healthcheck: &state.Healthcheck{Interval: time.Second}, Log: state.LogConfig{Driver: "journald", Tag: "{{.Name}}/{{.ID}}"}, ShmSize: 1 << 20,
		}, in: func(in *Input) {
			in.Given = Given{Entrypoint: true, Workdir: true, User: true, StopSignal: true, Hostname: true, ShmSize: true, HealthInterval: true, IP: "10.0.0.9", Aliases: []string{"x"}, LogDriver: true}
			in.CIDFile, in.Runtime, in.CgroupManager = "/tmp/cid", "/usr/bin/crun", "systemd"
		}},
		{name: "containers-conf", image: true, in: func(in *Input) {
			in.Defaults = settings.Settings{
				Engine: settings.Engine{CgroupManager: "cgroupfs", StopTimeout: &ten},
				Containers: settings.Containers{
					Annotations: map[string]string{"a": "conf"}, Env: []string{"A=conf", "C=conf"}, DNSServers: []string{"9.9.9.9"}, Init: true, PidsLimit: &pids,
					LogDriver: "k8s-file", LogSizeMax: -1, Sysctls: map[string]string{"net.x": "1"}, Ulimits: []state.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}},
					Volumes: []state.Mount{{Type: "bind", Source: "/conf", Target: "/var/data"}}, DefaultCapabilities: []string{"CAP_CHOWN", "CAP_SYS_TIME"}, ShmSize: 1 << 20, NetNS: "none", PidNS: "host", ReadOnly: true,
				},
			}
		}},
		{name: "rootless-without-image", cfg: state.Config{Process: state.Process{Cmd: []string{"sh"}, Terminal: true}}, in: func(in *Input) { in.Rootless = true; in.Host = fakeHost{true, true} }},
		{name: "rootless-with-hosts-network", cfg: state.Config{Process: state.Process{Cmd: []string{"sh"}}, Network: state.Network{Mode: "host"}, Sysctls: map[string]string{"kernel.b": "2"}}, in: func(in *Input) {
			in.Rootless = true
			limit := int64(4096)
			in.Defaults.Containers.PidsLimit = &limit
			in.Defaults.Containers.Sysctls = map[string]string{"net.ipv4.ping_group_range": "0 0", "kernel.a": "1"}
		}},
		{name: "another-containers-network", image: true, cfg: state.Config{Network: state.Network{Mode: "container:web"}, Namespaces: state.Namespaces{Pid: "container:web"}}},
		{name: "host-network-privileged", image: true, cfg: state.Config{Network: state.Network{Mode: "host", Ports: []state.Port{{ContainerPort: 1, Protocol: "tcp"}}}, Security: state.Security{Privileged: true}},
			in: func(in *Input) { in.Given.NoHealthcheck = true; in.Given.UnsetEnv = []string{"A"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := testInput()
			if c.in != nil {
				c.in(&in)
			}
			c.cfg.ID, c.cfg.Name = testID, "kind_otter"
			before, _ := json.Marshal(c.cfg)
			var img *state.Image
			if c.image {
				img = testImage()
			}
			got, err := Complete(&c.cfg, img, in)
			if err != nil {
				t.Fatal(err)
			}
			if after, _ := json.Marshal(c.cfg); !bytes.Equal(before, after) {
				t.Errorf("the caller's config was changed:\n%s\n%s", before, after)
			}
			data, _ := json.MarshalIndent(got, "", "  ")
			golden(t, c.name, append(data, '\n'))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs, got\n%s", path, got)
	}
}

func TestCompleteRefuses(t *testing.T) {
	run := state.Process{Cmd: []string{"x"}}
	bridge := func(eps ...state.Endpoint) state.Network { return state.Network{Mode: "bridge", Endpoints: eps} }
	linked := func(words ...string) *state.Extras {
		x := &state.Extras{}
		for ; len(words) > 1; words = words[2:] {
			x.Links = append(x.Links, state.Link{Name: words[0], Alias: words[1]})
		}
		return x
	}
	port := state.Port{HostPort: 80, ContainerPort: 80, Protocol: "tcp"}
	for name, c := range map[string]struct {
		cfg   state.Config
		given Given
		want  string
	}{
		"no command":                      {state.Config{}, Given{}, "no command specified"},
		"an emptied entrypoint":           {state.Config{}, Given{Entrypoint: true}, "no command specified"},
		"too little memory":               {state.Config{Process: run, Resources: state.Resources{Memory: 1 << 20}}, Given{}, "minimum is 6m"},
		"swap below memory":               {state.Config{Process: run, Resources: state.Resources{Memory: 1 << 30, MemorySwap: 1 << 20}}, Given{}, "must not be lower"},
		"swap without memory":             {state.Config{Process: run, Resources: state.Resources{MemorySwap: 1 << 30}}, Given{}, "needs --memory"},
		"reservation above memory":        {state.Config{Process: run, Resources: state.Resources{Memory: 8 << 20, MemoryReservation: 9 << 20}}, Given{}, "must not be higher"},
		"more CPUs than a kernel knows":   {state.Config{Process: run, Resources: state.Resources{NanoCPUs: 8193e9}}, Given{}, "0.01 to 8192"},
		"a CPU that is not there":         {state.Config{Process: run, Resources: state.Resources{CpusetCpus: "0-4"}}, Given{}, "only 0 to 3"},
		"a short period":                  {state.Config{Process: run, Resources: state.Resources{CPUPeriod: 1}}, Given{}, "1000 to 1000000"},
		"two mounts at one place":         {state.Config{Process: run, Mounts: []state.Mount{{Type: "tmpfs", Target: "/x"}, {Type: "tmpfs", Target: "/x"}}}, Given{}, "duplicate mount destination"},
		"an address with the host's net":  {state.Config{Process: run, Network: state.Network{Mode: "host"}}, Given{IP: "1.2.3.4"}, "conflicting options: --ip"},
		"two addresses for one network":   {state.Config{Process: run, Network: bridge(state.Endpoint{Network: "a", IP: "1.2.3.5"}, state.Endpoint{Network: "b"})}, Given{IP: "1.2.3.4"}, "cannot specify both --ip and per-network ip"},
		"an alias on the default bridge":  {state.Config{Process: run}, Given{Aliases: []string{"x"}}, "network-scoped alias is supported only"},
		"one host port twice":             {state.Config{Process: run, Network: state.Network{Ports: []state.Port{port, {HostIP: "0.0.0.0", HostPort: 80, ContainerPort: 81, Protocol: "tcp"}}}}, Given{}, "twice"},
		"ports in another's network":      {state.Config{Process: run, Network: state.Network{Mode: "container:web", Ports: []state.Port{port}}}, Given{}, "conflicting options: publishing ports"},
		"a host name in another's net":    {state.Config{Process: run, Network: state.Network{Mode: "container:web"}}, Given{Hostname: true}, "conflicting options: --hostname"},
		"a link without a network":        {state.Config{Process: run, Network: state.Network{Mode: "none"}, Extras: linked("web", "w")}, Given{}, "conflicting options: --link"},
		"a link to nobody":                {state.Config{Process: run, Extras: linked("no", "w")}, Given{}, "cannot use container \"no\" for --link"},
		"one name for two links":          {state.Config{Process: run, Extras: linked("web", "w", "web", "w")}, Given{}, "twice"},
		"a container that is not there":   {state.Config{Process: run, Network: state.Network{Mode: "container:no"}}, Given{}, "cannot use container \"no\""},
		"a host name with the host's uts": {state.Config{Process: run, Hostname: "h", Namespaces: state.Namespaces{Uts: "host"}}, Given{Hostname: true}, "conflicting options"},
		"adding and dropping the same":    {state.Config{Process: run, Security: state.Security{CapAdd: []string{"CAP_BPF"}, CapDrop: []string{"CAP_BPF"}}}, Given{}, "both add and drop"},
		"an unknown word in a tag":        {state.Config{Process: run, Log: state.LogConfig{Tag: "{{.Foo}}"}}, Given{}, "invalid log tag"},
		"passthrough of a terminal":       {state.Config{Process: state.Process{Cmd: run.Cmd, Terminal: true}, Log: state.LogConfig{Driver: "passthrough"}}, Given{}, "conflicting options"},
	} {
		in := testInput()
		in.Given = c.given
		_, err := Complete(&c.cfg, nil, in)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.HasSuffix(err.Error(), ": invalid") {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	in := testInput()
	if _, err := Complete(&state.Config{Process: run, Network: state.Network{Mode: "container:no"}}, nil, in); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a container that is not there: %v, want ErrNotFound", err)
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		n := Name()
		if a, b, ok := strings.Cut(n, "_"); !ok || a == "" || b == "" {
			t.Fatalf("Name() = %q, want two words", n)
		}
		seen[n] = true
	}
	if len(seen) < 150 {
		t.Errorf("200 names, only %d different", len(seen))
	}
	for _, list := range [][]string{adjectives[:], nouns[:]} {
		once := map[string]bool{}
		for _, w := range list {
			if once[w] || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") != "" {
				t.Errorf("the word %q is there twice or is no word", w)
			}
			once[w] = true
		}
	}
	if id := ID(); !state.IsID(id) || id == ID() {
		t.Errorf("ID() = %q", id)
	}
}

func TestReadOnly(t *testing.T) {
	for _, c := range []struct {
		name        string
		given, conf bool // --read-only, containers.conf's read_only
		value       bool
		tmpfs       string // --read-only-tmpfs: "", "true" or "false"
		ro, rw, dev bool   // the root, tmpfs on /run and others, /dev
	}{
		{name: "nothing said"},
		{name: "Docker's option", given: true, value: true, ro: true},
		{name: "with tmpfs", given: true, value: true, tmpfs: "true", ro: true, rw: true},
		{name: "with /dev", given: true, value: true, tmpfs: "false", ro: true, dev: true},
		{name: "Podman's file", conf: true, ro: true, rw: true},
		{name: "Podman's file, without tmpfs", conf: true, tmpfs: "false", ro: true, dev: true},
		{name: "the option over the file", conf: true, given: true},
		{name: "tmpfs of a writable container", tmpfs: "true"},
		{name: "no tmpfs of a writable container", tmpfs: "false"},
	} {
		in := testInput()
		in.Defaults.Containers.ReadOnly = c.conf
		in.Given.ReadOnly, in.Given.ReadOnlyTmpfs = c.given, c.tmpfs != ""
		cfg := &state.Config{Process: state.Process{Cmd: []string{"x"}}, ReadOnly: c.value, ReadOnlyTmpfs: c.tmpfs == "true"}
		got, err := Complete(cfg, nil, in)
		if err != nil {
			t.Fatal(err)
		}
		if got.ReadOnly != c.ro || got.ReadOnlyTmpfs != c.rw || got.Extra().ReadOnlyDev != c.dev {
			t.Errorf("%s: root %v, tmpfs %v, /dev %v; want %v, %v, %v", c.name, got.ReadOnly, got.ReadOnlyTmpfs, got.Extra().ReadOnlyDev, c.ro, c.rw, c.dev)
		}
	}
}
