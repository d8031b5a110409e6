package inspect

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skiff/state"
	"skiff/state/dirs"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, doc any) {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(buf.Bytes(), want) {
		t.Errorf("%s is not as in the golden file; got\n%s", name, buf.String())
	}
}

func testID(c byte) string { return string(bytes.Repeat([]byte{c}, 64)) }

func testImage() *state.Image {
	made := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	return &state.Image{
		ID: testID('a'), Names: []string{"docker.io/library/httpd:2.4", "localhost/web:latest"},
		NamesHistory: []string{"localhost/web:latest", "localhost/old:1"},
		Digest:       "sha256:" + testID('b'), RepoDigests: []string{"docker.io/library/httpd@sha256:" + testID('b')},
		Created: made, Added: made.Add(time.Hour), Size: 3000, Layers: []string{"/l/1", "/l/2"},
		DiffIDs: []string{"sha256:1", "sha256:2"}, LayerSizes: []int64{1000, 2000},
		OS: "linux", Architecture: "amd64", ManifestType: "application/vnd.oci.image.manifest.v1+json",
		Config: state.ImageConfig{
			Cmd: []string{"httpd-foreground"}, ExposedPorts: []string{"80/tcp"}, Labels: map[string]string{"k": "v"},
			Volumes: []string{"/data"}, StopSignal: "SIGWINCH",
		},
		History: []state.ImageHistory{{Created: made, CreatedBy: "ADD <tree>"}, {CreatedBy: "CMD", EmptyLayer: true}, {Created: made, CreatedBy: "RUN x"}},
	}
}

func testContainer() Container {
	started := time.Date(2024, 5, 6, 7, 8, 10, 0, time.UTC)
	one, timeout := int64(10), 3
	return Container{
		NetworkIDs: map[string]string{"bridge": strings.Repeat("b", 64), "app": strings.Repeat("a", 64)},
		Roots:      dirs.Roots{Data: "/data", Run: "/run"}, Image: testImage(),
		Config: &state.Config{
			ID: testID('c'), Name: "web", Created: started.Add(-time.Second), CreateCommand: []string{"skiff", "run"},
			Image:   state.ImageRef{ID: testID('a'), Name: "docker.io/library/httpd:2.4", Given: "httpd:2.4"},
			Process: state.Process{Entrypoint: []string{"/ep"}, Cmd: []string{"a", "b"}, Cwd: "/", User: "www", StopSignal: 28, StopTimeout: &timeout, Env: []string{"A=b"}},
			Labels:  map[string]string{"app": "x"}, ShmSize: 65536000,
			Mounts: []state.Mount{
				{Type: state.MountBind, Source: "/src", Target: "/dst", ReadOnly: true},
				{Type: state.MountVolume, Source: "vol", Target: "/data", Anonymous: true, Options: []string{"nosuid"}},
				{Type: state.MountTmpfs, Target: "/t", Options: []string{"size=64m"}},
			},
			Network: state.Network{
				Mode: state.ModeBridge, Endpoints: []state.Endpoint{{Network: "bridge"}, {Network: "app", IP: "10.1.0.9", Aliases: []string{"w"}}},
				Ports:  []state.Port{{ContainerPort: 80, Protocol: "tcp"}, {HostIP: "127.0.0.1", HostPort: 8443, ContainerPort: 443, Protocol: "tcp"}},
				Expose: []string{"9000/udp"},
			},
			Resources:     state.Resources{Memory: 64 << 20, MemorySwap: 128 << 20, NanoCPUs: 5e8, DeviceReadBps: []state.ThrottleDevice{{Path: "/dev/sda", Rate: 1000}}},
			Security:      state.Security{CapAdd: []string{"CAP_NET_ADMIN"}, Capabilities: []string{"CAP_CHOWN", "CAP_NET_ADMIN"}},
			Ulimits:       []state.Ulimit{{Name: "nofile", Soft: 10, Hard: 20}},
			Restart:       state.RestartPolicy{Name: state.RestartOnFailure, MaxRetries: 3},
			Log:           state.LogConfig{Driver: state.LogJSONFile, Path: "/data/log", MaxSize: 1000},
			CgroupManager: "cgroupfs", Healthcheck: &state.Healthcheck{Test: []string{"CMD", "true"}, Interval: time.Second},
		},
		Status: state.Live{Status: state.Status{
			Phase: state.Running, Pid: 42, Monitor: 41, StartedAt: started, RestartCount: 2,
			Teardown: state.Teardown{Cgroups: []string{"/sys/fs/cgroup/skiff/c"}},
			Network: state.NetworkStatus{
				SandboxKey: "/proc/42/ns/net",
				Endpoints: []state.EndpointStatus{
					{Network: "bridge", Interface: "eth0", IP: "10.87.0.2", PrefixLen: 16, Gateway: "10.87.0.1", MAC: "02:00:00:00:00:01"},
					{Network: "app", Interface: "eth1", IP: "10.1.0.9", PrefixLen: 24, Gateway: "10.1.0.1", MAC: "02:00:00:00:00:02"},
				},
				Ports: []state.Port{{HostPort: 32768, ContainerPort: 80, Protocol: "tcp"}, {HostIP: "127.0.0.1", HostPort: 8443, ContainerPort: 443, Protocol: "tcp"}},
			},
		}},
		SizeRw: &one, SizeRoot: &one,
	}
}

func TestContainerDocuments(t *testing.T) {
	c := testContainer()
	golden(t, "container-podman", c.Podman())
	golden(t, "container-docker", c.Docker())
	golden(t, "container-listed", c.Listed("Up 2 hours", "2 hours ago"))

	c.Image, c.SizeRw, c.SizeRoot = nil, nil, nil
	c.Status.Phase, c.Status.ExitCode, c.Status.OOMKilled = state.Exited, 137, true
	golden(t, "container-exited-docker", c.Docker())
}

func TestImageDocuments(t *testing.T) {
	i := Image{Image: testImage(), Parent: testID('d'), Containers: 2}
	golden(t, "image-podman", i.Podman())
	golden(t, "image-docker", i.Docker())
	golden(t, "image-summary", i.Summary())
}

func TestNetworkDocuments(t *testing.T) {
	r := state.NetworkRecord{
		Name: "app", ID: testID('e'), Driver: "bridge", Created: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Bridge: "sk0",
		Subnet: "10.1.0.0/24", Gateway: "10.1.0.1",
	}
	stopped := testContainer()
	stopped.Status.Phase = state.Exited
	golden(t, "network-podman", Network(r, []Container{testContainer(), stopped}))
	golden(t, "network-docker", NetworkForDocker(r, []Container{testContainer()}))
}

func TestFamiliar(t *testing.T) {
	for in, want := range map[string]string{
		"docker.io/library/httpd:latest": "httpd:latest", "docker.io/me/app:1": "me/app:1",
		"localhost/x:latest": "x:latest", "quay.io/a/b:c": "quay.io/a/b:c", "docker.io.evil/x:1": "docker.io.evil/x:1",
	} {
		if got := Familiar(in); got != want {
			t.Errorf("Familiar(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSplitName(t *testing.T) {
	for in, want := range map[string][2]string{
		"localhost:5000/a:1":         {"localhost:5000/a", "1"},
		"localhost:5000/a":           {"localhost:5000/a", "<none>"},
		"quay.io/a@sha256:0123":      {"quay.io/a", "<none>"},
		"docker.io/library/x:latest": {"docker.io/library/x", "latest"},
	} {
		if repo, tag := SplitName(in); repo != want[0] || tag != want[1] {
			t.Errorf("SplitName(%q) = %q, %q, want %q", in, repo, tag, want)
		}
	}
}

func TestPortText(t *testing.T) {
	p := func(ip string, host, cont uint16) state.Port {
		return state.Port{HostIP: ip, HostPort: host, ContainerPort: cont, Protocol: "tcp"}
	}
	for _, c := range []struct {
		name   string
		ports  []state.Port
		expose []string
		want   string
	}{
		{"nothing", nil, nil, ""},
		{"one", []state.Port{p("", 8080, 80)}, nil, "0.0.0.0:8080->80/tcp"},
		{"a range", []state.Port{p("", 8000, 80), p("", 8001, 81), p("", 8002, 82)}, nil, "0.0.0.0:8000-8002->80-82/tcp"},
		{"two that are no range", []state.Port{p("", 8000, 80), p("127.0.0.1", 8001, 81)}, nil, "0.0.0.0:8000->80/tcp, 127.0.0.1:8001->81/tcp"},
		{"IPv6 and an exposed one", []state.Port{p("::1", 8000, 80)}, []string{"80/tcp", "90/udp"}, "[::1]:8000->80/tcp, 90/udp"},
		{"not chosen yet", []state.Port{p("", 0, 80), p("", 0, 81)}, nil, "0.0.0.0:0->80/tcp, 0.0.0.0:0->81/tcp"},
	} {
		if got := PortText(c.ports, c.expose); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSignalName(t *testing.T) {
	for n, want := range map[int]string{0: "SIGTERM", 9: "SIGKILL", 28: "SIGWINCH", 34: "SIGRTMIN", 37: "SIGRTMIN+3", 99: "99"} {
		if got := signalName(n); got != want {
			t.Errorf("signalName(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestDecimalSize(t *testing.T) {
	for n, want := range map[int64]string{
		1: "1B", 999: "999B", 8000: "8kB", 3051000: "3.051MB", 10_000_000: "10MB", 400_000_000: "400MB", 3_199_205: "3.199MB", 2_500_000_000_000: "2.5TB",
	} {
		if got := decimalSize(n); got != want {
			t.Errorf("decimalSize(%d) = %q, want %q", n, got, want)
		}
	}
}
