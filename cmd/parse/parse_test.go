package parse

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"skiff/state"
)

// shown is a value as JSON, which leaves out what is empty.
func shown(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

type test struct{ in, want string } // want begins with ! for an error that contains the rest

func check[T any](t *testing.T, name string, read func(string) (T, error), tests []test) {
	t.Helper()
	for _, c := range tests {
		got, err := read(c.in)
		if part, bad := strings.CutPrefix(c.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s %q: %s, error %v; want an error with %q", name, c.in, shown(got), err, part)
			}
			continue
		}
		if err != nil || shown(got) != c.want {
			t.Errorf("%s %q: %s, %v; want %s", name, c.in, shown(got), err, c.want)
		}
	}
}

func TestScalars(t *testing.T) {
	check(t, "size", Size, []test{
		{"0", "0"}, {"64m", "67108864"}, {"1.5g", "1610612736"}, {"10kb", "10240"}, {"1KiB", "1024"}, {"7b", "7"}, {"2T", "2199023255552"},
		{"", "!number"}, {"m", "!number"}, {"-1", "!number"}, {"1q", "!number"}, {"1.2.3", "!number"}, {"9999999p", "!too large"}, {"1 m", "1048576"},
	})
	check(t, "cpus", CPUs, []test{{"1", "1000000000"}, {"0.5", "500000000"}, {".25", "250000000"}, {"1.000000001", "1000000001"},
		{"", "!number"}, {"x", "!number"}, {"-1", "!number"}, {"1.0000000001", "!number"}})
	check(t, "restart", Restart, []test{{"no", `{"name":"no"}`}, {"", `{"name":"no"}`}, {"on-failure:3", `{"name":"on-failure","maxRetries":3}`},
		{"always:3", "!only on-failure"}, {"on-failure:x", "!not a number"}, {"sometimes", "!want no"}})
	check(t, "platform", Platform, []test{{"linux/arm64", `"linux/arm64"`}, {"LINUX/arm/v7", `"linux/arm/v7"`}, {"arm64", `"arm64"`}, {"linux/", "!invalid"}, {"a/b/c/d", "!invalid"}})
	check(t, "pull", Pull, []test{{"always", `"always"`}, {"", `""`}, {"newer", `"newer"`}, {"sometimes", "!invalid"}})
	check(t, "name", Name, []test{{"web-1", `"web-1"`}, {"/web", `"web"`}, {"-x", "!invalid"}, {"a b", "!invalid"}, {"", "!invalid"}, {"a/b", "!invalid"}, {strings.Repeat("x", 300), "!invalid"}})
	check(t, "workdir", Workdir, []test{{"/a/../b", `"/b"`}, {"a", "!absolute"}})
	check(t, "device rule", DeviceRule, []test{
		{"c 42:* rwm", `"c 42:* rwm"`}, {" b  7:1 r", `"b 7:1 r"`}, {"a 7 rmw", `"a 7:* rmw"`}, {"a * rwm", `"a *:* rwm"`},
		{"b 7:2", "!want"}, {"", "!want"}, {"x 7:* rmw", "!invalid device type in device-access-add: x: "}, {"b 7:* rmX", "!invalid device access in device-access-add: X: "},
		{"b 7:* rwmr", "!invalid device access in device-access-add: rwmr"}, {"a a:* rmw", `!"a" is not a device number`}, {"c 1:-1 r", `!"-1" is not`}, {"c 1: r", `!"" is not`},
	})
	check(t, "stream", Stream, []test{{"STDIN", `"stdin"`}, {"x", "!want"}})
	check(t, "cpuset", func(s string) (int, error) { return CPUSet("--cpuset-cpus", s) }, []test{{"0-2,7", "7"}, {"3", "3"}, {"", "!invalid"}, {"2-1", "!invalid"}, {"a", "!invalid"}})
	check(t, "duration", func(s string) (time.Duration, error) { return Duration("--x", s) }, []test{{"30s", "30000000000"}, {"5", "5000000000"}, {"-1s", "!negative"}, {"x", "!invalid"}})
}

func TestPorts(t *testing.T) {
	check(t, "publish", Publish, []test{
		{"80", `[{"containerPort":80,"protocol":"tcp"}]`},
		{"8080:80", `[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]`},
		{"127.0.0.1:8080:80/UDP", `[{"hostIp":"127.0.0.1","hostPort":8080,"containerPort":80,"protocol":"udp"}]`},
		{"127.0.0.1::80", `[{"hostIp":"127.0.0.1","containerPort":80,"protocol":"tcp"}]`},
		{"[::1]:8080:80", `[{"hostIp":"::1","hostPort":8080,"containerPort":80,"protocol":"tcp"}]`},
		{"8000-8001:80-81", `[{"hostPort":8000,"containerPort":80,"protocol":"tcp"},{"hostPort":8001,"containerPort":81,"protocol":"tcp"}]`},
		{"8000-8010:80", `[{"hostPort":8000,"hostPortEnd":8010,"containerPort":80,"protocol":"tcp"}]`},
		{"0:80", `[{"containerPort":80,"protocol":"tcp"}]`}, {":80", `[{"containerPort":80,"protocol":"tcp"}]`},
		{"65535", `[{"containerPort":65535,"protocol":"tcp"}]`},
		{"8000-8001:80-82", "!different lengths"}, {"80/xyz", "!protocol"}, {"65536", "!1 to 65535"}, {"0", "!1 to 65535"}, {"a:80", "!host port"},
		{"1:2:3:4", "!want"}, {"host:1:2", "!IP address"}, {"::1:8080:80", "!want"}, {"[::1]80", "!IPv6"}, {"81-80", "!ends before"}, {"", "!1 to 65535"}, {"8080:", "!container port"},
	})
	check(t, "expose", Expose, []test{{"80", `["80/tcp"]`}, {"80-81/udp", `["80/udp","81/udp"]`}, {"0", "!1 to 65535"}, {"x", "!number"}})
}

func TestMounts(t *testing.T) {
	vol := func(s string) (state.Mount, error) { return Volume(s, "/cwd") }
	check(t, "volume", vol, []test{
		{"/data", `{"type":"volume","target":"/data","anonymous":true}`},
		{"vol:/data", `{"type":"volume","source":"vol","target":"/data"}`},
		{"/h/:/c/../d:ro", `{"type":"bind","source":"/h","target":"/d","readOnly":true,"makeSource":true}`},
		{"./x:/y", `{"type":"bind","source":"/cwd/x","target":"/y","makeSource":true}`},
		{"..:/y:rw,rshared,z", `{"type":"bind","source":"/","target":"/y","propagation":"rshared","makeSource":true}`},
		{"v:/y:nocopy,noexec", `{"type":"volume","source":"v","target":"/y","options":["noexec"],"noCopy":true}`},
		{"/a:/b:nocreate", `{"type":"bind","source":"/a","target":"/b"}`},
		{"/a:/b:rro", `{"type":"bind","source":"/a","target":"/b","readOnly":true,"makeSource":true,"below":"readonly"}`},
		{"/a:/b:O,U", `{"type":"bind","source":"/a","target":"/b","options":["U"],"overlay":{}}`},
		{"v:/b:O,upperdir=/u,workdir=/w", `{"type":"volume","source":"v","target":"/b","overlay":{"upper":"/u","work":"/w"}}`},
		{"/a:/b:O,upperdir=/u", "!together"}, {"/a:/b:O,upperdir=u,workdir=/w", "!absolute"}, {"/a:/b:O,rshared", "!nothing is mounted below"},
		{"/a:/b:O,idmap", "!idmap"}, {"/a:/b:upperdir=/a,workdir=/w", "!of their own"}, {"/a:/b:ro,rro", "!exclude"},
		{"a/b:/c", "!volume name"}, {"/a:b", "!not absolute"}, {"/a:/", "!must not be /"}, {"/a:/b:c:d", "!want"}, {":/b", "!source is empty"},
		{"/a:/b:ro,rw", "!exclude"}, {"/a:/b:foo", "!unknown option"}, {"v:/b:rshared", "!host paths only"}, {"rel", "!not absolute"}, {"", "!not absolute"},
	})
	mnt := func(s string) (state.Mount, error) { return MountSpec(s, "/cwd") }
	check(t, "mount", mnt, []test{
		{"type=bind,src=/a,dst=/b,ro", `{"type":"bind","source":"/a","target":"/b","readOnly":true}`},
		{"type=bind,source=./a,target=/b,readonly=false,bind-propagation=rslave", `{"type":"bind","source":"/cwd/a","target":"/b","propagation":"rslave"}`},
		{"src=v,dst=/b,volume-nocopy", `{"type":"volume","source":"v","target":"/b","noCopy":true}`},
		{"dst=/b", `{"type":"volume","target":"/b","anonymous":true}`},
		{"type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770", `{"type":"tmpfs","target":"/t","options":["size=1048576","mode=1770"]}`},
		{"type=image,src=img,dst=/i", `{"type":"image","source":"img","target":"/i","readOnly":true}`},
		{`type=bind,"src=/a,b",dst=/b`, `{"type":"bind","source":"/a,b","target":"/b"}`},
		{"type=volume,src=v,dst=/b,volume-subpath=x/../y", `{"type":"volume","source":"v","target":"/b","subpath":"y"}`},
		{"type=bind,src=/a,dst=/b,bind-create-src", `{"type":"bind","source":"/a","target":"/b","makeSource":true}`},
		{"type=bind,src=/a,dst=/b,ro,bind-recursive=writable", `{"type":"bind","source":"/a","target":"/b","readOnly":true,"below":"writable"}`},
		{"type=bind,src=/a,dst=/b,U,Z,z", `{"type":"bind","source":"/a","target":"/b","options":["U"]}`},
		{"type=devpts,dst=/p,mode=600,max=5", `{"type":"devpts","target":"/p","options":["mode=600","max=5"]}`},
		{"type=tmpfs,dst=/p,noatime", `{"type":"tmpfs","target":"/p","options":["noatime"]}`},
		{"type=bind,src=/a,dst=/b,bind-recursive=readonly", "!needs readonly"}, {"type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rslave", "!rprivate"},
		{"type=bind,src=/a,dst=/b,ro,bind-recursive=writable,bind-nonrecursive", "!does not go with"}, {"type=tmpfs,dst=/b,max=5", "!does not go with"}, {"type=devpts,dst=/b,mode=9", "!number"},
		{"type=bind,dst=/b", "!needs a source"}, {"type=bind,src=rel,dst=/b", "!not an absolute"}, {"type=bind,src=/a", "!must set volume destination: invalid mount"},
		{"type=Foo,dst=/b", `!invalid filesystem type "Foo": invalid mount "type=Foo,dst=/b": want bind`}, {"type=bind,src=/a,dst=/b,foo=1", "!unknown key"}, {"type=bind,src=/a,dst=/b,source", "!needs a value"},
		{"type=bind,src=/a,dst=/b,tmpfs-size=1", "!does not go with"}, {"type=tmpfs,src=/a,dst=/b", "!no source"}, {"dst=/b,ro=maybe", "!true or false"},
		{"type=volume,src=v,dst=/b,volume-subpath=../x", "!stays inside"}, {`"`, "!key=value"},
	})
	check(t, "tmpfs", Tmpfs, []test{
		{"/t", `{"type":"tmpfs","target":"/t"}`}, {"/t:size=64m,mode=1777,exec,ro", `{"type":"tmpfs","target":"/t","readOnly":true,"options":["size=67108864","mode=1777","exec"]}`},
		{"/t:size=50%", `{"type":"tmpfs","target":"/t","options":["size=50%"]}`},
		{"t", "!not absolute"}, {"/t:foo", "!unknown option"}, {"/t:mode=9", "!octal"}, {"/t:size=x", "!size"}, {"/t:exec=1", "!takes no value"}, {"/t:uid=-1", "!number"},
	})
}

func TestNetworks(t *testing.T) {
	net := func(s string) (state.Network, error) {
		var n state.Network
		for _, w := range strings.Fields(s) {
			if err := Network(&n, w); err != nil {
				return n, err
			}
		}
		return n, nil
	}
	check(t, "network", net, []test{
		{"host", `{"mode":"host"}`}, {"none", `{"mode":"none"}`}, {"container:web", `{"mode":"container:web"}`}, {"private", `{"mode":""}`},
		{"bridge", `{"mode":"bridge","endpoints":[{"network":"bridge"}]}`}, {"default", `{"mode":"bridge","endpoints":[{"network":"bridge"}]}`},
		{"mynet:ip=10.0.0.5,mac=02:42:AC:11:00:02,alias=a,alias=b", `{"mode":"bridge","endpoints":[{"network":"mynet","ip":"10.0.0.5","mac":"02:42:ac:11:00:02","aliases":["a","b"]}]}`},
		{"name=n,ip6=fd00::5", `{"mode":"bridge","endpoints":[{"network":"n","ip6":"fd00::5"}]}`},
		{"a b", `{"mode":"bridge","endpoints":[{"network":"a"},{"network":"b"}]}`}, {"pasta:-t,8080", `{"mode":"pasta","pastaOptions":["-t","8080"]}`},
		{"n:interface_name=lan,host_interface_name=up", `{"mode":"bridge","endpoints":[{"network":"n","interface":"lan","hostInterface":"up"}]}`},
		{"name=n,gw-priority=-2,mac-address=02:42:ac:11:00:02,driver-opt=x=y", `{"mode":"bridge","endpoints":[{"network":"n","mac":"02:42:ac:11:00:02","priority":-2,"options":{"x":"y"}}]}`},
		{`name=n,"driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.mtu=1300"`,
			`{"mode":"bridge","endpoints":[{"network":"n","sysctls":{"net.ipv4.conf.IFNAME.log_martians":"1","net.ipv6.conf.IFNAME.mtu":"1300"},"options":{"com.docker.network.endpoint.sysctls":"net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.mtu=1300"}}]}`},
		{"name=n,driver-opt=com.docker.network.endpoint.ifname=lan", `{"mode":"bridge","endpoints":[{"network":"n","interface":"lan","options":{"com.docker.network.endpoint.ifname":"lan"}}]}`},
		{"ns:/run/netns/x", `{"mode":"ns:/run/netns/x"}`}, {"ns:x", "!absolute path"}, {"n:interface_name=lo", "!invalid device"}, {"n:interface_name=a/b", "!invalid device"},
		{"name=n,gw-priority=x", "!want a number"}, {"name=n,driver-opt=com.docker.network.endpoint.sysctls=kernel.x=1", "!invalid sysctl"}, {"name=n,link-local-ip=169.254.1.1", "!not supported"},
		{"a a", "!multiple times"}, {"host a", "!cannot attach"}, {"a host", "!cannot attach"}, {"host:x", "!no options"}, {"container:", "!want"}, {"n:ip=x", "!IPv4"}, {"n:foo=1", "!unknown option"},
		{"a/b", "!not a network"}, {"n:mac=01:00:00:00:00:00", "!multicast"},
	})
	check(t, "host", ExtraHost, []test{{"a:1.2.3.4", `["a:1.2.3.4"]`}, {"a=::1", `["a:::1"]`}, {"a:[::1]", `["a:::1"]`}, {"a;b:host-gateway", `["a:host-gateway","b:host-gateway"]`},
		{"a", "!want"}, {"a:x", "!IP address"}, {":1.2.3.4", "!want"}, {"a b:1.2.3.4", "!invalid"}})
	check(t, "link", Link, []test{{"db", `{"id":"","name":"db","alias":"db"}`}, {"/db:my-sql", `{"id":"","name":"db","alias":"my-sql"}`}, {"a_b.c-", `{"id":"","name":"a_b.c-","alias":"a_b.c-"}`},
		{"", "!want NAME"}, {":a", "!want NAME"}, {"a:", "!want NAME"}, {"a:b c", "!invalid link"}, {"a:b:c", "!invalid link"}})
	check(t, "dns", IP, []test{{"8.8.8.8", `"8.8.8.8"`}, {"x", "!invalid"}})
	check(t, "search", DNSSearch, []test{{".", `"."`}, {"example.com.", `"example.com"`}, {"a b", "!invalid"}})
	check(t, "option", DNSOption, []test{{"ndots:2", `"ndots:2"`}, {"a b", "!one word"}, {"", "!one word"}})
}

func TestLimits(t *testing.T) {
	check(t, "ulimit", Ulimit, []test{{"nofile=1024", `{"name":"nofile","soft":1024,"hard":1024}`}, {"core=0:-1", `{"name":"core","soft":0,"hard":-1}`}, {"RLIMIT_NPROC=1:2", `{"name":"nproc","soft":1,"hard":2}`},
		{"core=-1:1000", "!less than or equal"}, {"foo=1", "!want NAME"}, {"nofile", "!want NAME"}, {"nofile=x", "!not a limit"}, {"nofile=2:1", "!less than or equal"}})
	check(t, "device", Device, []test{{"/dev/a", `{"host":"/dev/a","container":"/dev/a","permissions":"rwm"}`}, {"/dev/a:r", `{"host":"/dev/a","container":"/dev/a","permissions":"r"}`},
		{"/dev/a:/dev/b:rw", `{"host":"/dev/a","container":"/dev/b","permissions":"rw"}`}, {"/dev/a:/dev/b:x", "!not made of"}, {"a", "!absolute"}, {"/a:/b:r:w", "!want"}, {"/a:/b:rr", "!not made of"}})
	check(t, "bps", ThrottleBps, []test{{"/dev/sda:1mb", `{"path":"/dev/sda","rate":1048576}`}, {"/dev/sda", "!want"}, {"sda:1", "!want"}, {"/dev/sda:x", "!size"}})
	check(t, "iops", ThrottleIOps, []test{{"/dev/sda:100", `{"path":"/dev/sda","rate":100}`}, {"/dev/sda:-1", "!negative"}, {"/dev/sda:1k", "!not a number"}})
	check(t, "weight", WeightDevice, []test{{"/dev/sda:10", `{"path":"/dev/sda","weight":10}`}, {"/dev/sda:9", "!10 to 1000"}})
	check(t, "capability", Capability, []test{{"net_admin", `["CAP_NET_ADMIN"]`}, {"CAP_CHOWN,all", `["CAP_CHOWN","ALL"]`}, {"foo", "!unknown"}})
	ns := func(s string) (string, error) { k, v, _ := strings.Cut(s, "="); return Namespace(k, v) }
	check(t, "namespace", ns, []test{{"pid=host", `"host"`}, {"ipc=shareable", `"shareable"`}, {"uts=container:x", `"container:x"`}, {"pid=shareable", "!want private"}, {"userns=container:x", `"container:x"`}, {"userns=keep-id:uid=1", `"keep-id:uid=1"`}, {"userns=ns:/a", `"ns:/a"`}, {"userns=ns:a", "!want auto"}, {"userns=nonsense", "!want auto"}, {"pid=container:", "!want"}})
	check(t, "log", func(s string) (state.LogConfig, error) { w := strings.Fields(s); return LogDriver(w[0], w[1:]) }, []test{
		{"json-file max-size=1m max-file=2", `{"driver":"json-file","maxSize":1000000,"maxFiles":2,"options":{"max-file":"2","max-size":"1m"}}`},
		{"k8s-file max-size=3.051mb", `{"driver":"k8s-file","maxSize":3051000,"options":{"max-size":"3.051mb"}}`},
		{"local max-size=8000", `{"driver":"json-file","maxSize":8000,"options":{"max-size":"8000"}}`},
		{"local max-size=m", "!invalid size"}, {"local max-size=1e9p", "!invalid size"}, {"local max-size=99999999999p", "!too large"},
		{"local", `{"driver":"json-file"}`}, {"foo", "!invalid log driver"}, {"none max-size=0", "!must not be 0"}, {"none foo=1", "!unknown option"}, {"none path=x", "!absolute"}})
	check(t, "keys", DetachKeys, []test{{"ctrl-p,ctrl-q", `"EBE="`}, {"", "null"}, {"a,ctrl-[", `"YRs="`}, {"ctrl-@", `"AA=="`}, {"ctrl-1", "!neither"}, {"ab", "!neither"}, {"a,", "!neither"}})
}

func TestSecurityOpt(t *testing.T) {
	read := func(s string) (string, error) { return "profile of " + s, nil }
	opt := func(s string) (state.Security, error) {
		var sec state.Security
		err := SecurityOpt(&sec, s, read)
		sec.Options = nil
		return sec, err
	}
	check(t, "security", opt, []test{
		{"no-new-privileges", `{"capabilities":null,"noNewPrivileges":true}`}, {"no-new-privileges:false", `{"capabilities":null}`},
		{"seccomp=/p", `{"capabilities":null,"seccomp":"profile of /p","seccompPath":"/p"}`}, {"seccomp=unconfined", `{"capabilities":null,"seccomp":"unconfined"}`},
		{"label=disable", `{"capabilities":null,"label":["disable"]}`}, {"unmask=ALL", `{"capabilities":null,"unmask":["ALL"]}`}, {"mask=/a:/b", `{"capabilities":null,"mask":["/a","/b"]}`},
		{"systempaths=unconfined", `{"capabilities":null,"unmask":["ALL"]}`}, {"foo=1", "!unknown"}, {"foo", "!name=value"}, {"seccomp=", "!want"}, {"label=user", "!want label=user"}, {"mask=a", "!absolute"},
	})
}

func TestEnv(t *testing.T) {
	environ := []string{"A=1", "AB=2", "C=x=y"}
	env := func(s string) ([]string, error) { return Env(s, environ) }
	check(t, "env", env, []test{{"X=1", `["X=1"]`}, {"A", `["A=1"]`}, {"C", `["C=x=y"]`}, {"NO", "null"}, {"A*", `["A=1","AB=2"]`}, {"X=", `["X="]`}, {"=1", "!no name"}, {"", "!no name"}})
	file := func(s string) ([]string, error) { return EnvFile("f", strings.NewReader(s), environ) }
	check(t, "env file", file, []test{
		{"\ufeff# c\n\n  X=1 \nY=\"q\"\nA\nNO\nZ=a # b\n", `["X=1 ","Y=\"q\"","A=1","Z=a # b"]`},
		{"A B=1", "!whitespace"}, {"=x", "!no name"}, {"A=\xff", "!UTF-8"}, {"ok=1\n=x", "!line 2"},
	})
	check(t, "label file", func(s string) ([]string, error) { return LabelFile("f", strings.NewReader(s)) }, []test{{"a=b\n#x\nc\n", `["a=b","c"]`}, {"a b=c", "!invalid label"}})
	if got := Entrypoint(`["a","b c"]`); !reflect.DeepEqual(got, []string{"a", "b c"}) {
		t.Errorf("entrypoint list: %q", got)
	}
	if got := Entrypoint("sh -c"); !reflect.DeepEqual(got, []string{"sh -c"}) {
		t.Errorf("entrypoint word: %q", got)
	}
	for in, want := range map[string]string{"none": `["NONE"]`, "curl x": `["CMD-SHELL","curl x"]`, `["a","b"]`: `["CMD","a","b"]`, `["CMD","a"]`: `["CMD","a"]`} {
		if got := shown(HealthCmd(in)); got != want {
			t.Errorf("health command %q: %s, want %s", in, got, want)
		}
	}
}

func TestTime(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"10m": "2026-01-31T11:50:00Z", "2026-01-30": "2026-01-30T00:00:00Z", "2026-01-30T01:02": "2026-01-30T01:02:00Z", "0": "2026-01-31T12:00:00Z",
		"2026-01-30T01:02:03.5+01:00": "2026-01-30T00:02:03.5Z", "1700000000.25": "2023-11-14T22:13:20.25Z",
	} {
		got, err := Time("--since", in, now)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("time %q: %v, %v; want %s", in, got, err, want)
		}
	}
	if _, err := Time("--since", "yesterday", now); err == nil {
		t.Error("yesterday is no time")
	}
}

// FuzzAll: no input makes a parser panic, and what is accepted is sane.
func FuzzAll(f *testing.F) {
	for _, s := range []string{"127.0.0.1:8000-8001:80-81/tcp", "/a:/b:ro", "type=bind,src=/a,dst=/b", "n:ip=1.2.3.4", "nofile=1:2", "ctrl-p", "1.5g", "a;b:[::1]", "/dev/a:/b:rwm", "A*=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ports, err := Publish(s); err == nil {
			for _, p := range ports {
				if p.ContainerPort == 0 || p.HostPortEnd != 0 && p.HostPortEnd <= p.HostPort {
					t.Errorf("publish %q gave %+v", s, p)
				}
			}
		}
		for _, read := range []func(string, string) (state.Mount, error){Volume, MountSpec} {
			if m, err := read(s, "/cwd"); err == nil && (!strings.HasPrefix(m.Target, "/") || m.Target == "/" || strings.Contains(m.Target, "/../") ||
				m.Type == state.MountBind && !strings.HasPrefix(m.Source, "/")) {
				t.Errorf("mount %q gave %+v", s, m)
			}
		}
		if n, err := Size(s); err == nil && n < 0 {
			t.Errorf("size %q gave %d", s, n)
		}
		if n, err := decimalSize(s); err == nil && n < 0 {
			t.Errorf("decimal size %q gave %d", s, n)
		}
		if l, err := Link(s); err == nil && (l.Name == "" || l.Alias == "" || l.Alias != l.Name && strings.ContainsAny(l.Alias, " \t\r\n#:/\x00")) {
			t.Errorf("link %q gave %+v", s, l)
		}
		if u, err := Ulimit(s); err == nil && u.Hard != -1 && (u.Soft > u.Hard || u.Soft < 0) {
			t.Errorf("ulimit %q gave %+v", s, u)
		}
		if n, err := Name(s); err == nil && strings.ContainsAny(n, "/\x00") {
			t.Errorf("name %q gave %q", s, n)
		}
		var n state.Network
		var sec state.Security
		_ = Network(&n, s)
		_ = SecurityOpt(&sec, s, func(string) (string, error) { return "", nil })
		Tmpfs(s)
		Device(s)
		ExtraHost(s)
		DetachKeys(s)
		Signal(s)
		EnvFile("f", strings.NewReader(s), nil)
		Time("x", s, time.Time{})
		Expose(s)
		CPUSet("x", s)
		HealthCmd(s)
		LogDriver(s, []string{s})
	})
}

func TestVolumeSpec(t *testing.T) {
	for _, c := range []struct {
		spec            string
		labels, options map[string]string
		bad             bool
	}{
		{spec: "type=volume,dst=/x"},
		{spec: "dst=/x,volume-label=a=b=c,volume-label=d", labels: map[string]string{"a": "b=c", "d": ""}},
		{spec: `dst=/x,"volume-opt=o=size=1m,uid=5",volume-opt=type=tmpfs`, options: map[string]string{"o": "size=1m,uid=5", "type": "tmpfs"}},
		{spec: "dst=/x,volume-opt=size", bad: true},
		{spec: "dst=/x,volume-label==v", bad: true},
	} {
		labels, options, err := VolumeSpec(c.spec)
		if (err != nil) != c.bad || !maps.Equal(labels, c.labels) || !maps.Equal(options, c.options) {
			t.Errorf("%s: got %v, %v, %v", c.spec, labels, options, err)
		}
	}
}
