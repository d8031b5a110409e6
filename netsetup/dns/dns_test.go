package dns

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestResolvConf(t *testing.T) {
	const host = "# made by hand\nnameserver 127.0.0.1\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::53\nsearch example.org lan\noptions ndots:2\n"
	for _, c := range []struct {
		name, host              string
		ipv6                    bool
		servers, search, option []string
		want                    string
	}{
		{"the host's without its loopback and IPv6", host, false, nil, nil, nil,
			"search example.org lan\nnameserver 192.0.2.53\noptions ndots:2\n"},
		{"IPv6 where the container has it", host, true, nil, nil, nil,
			"search example.org lan\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions ndots:2\n"},
		{"only loopback", "nameserver 127.0.0.53\n", false, nil, nil, nil, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"},
		{"the user's", host, false, []string{"9.9.9.9"}, []string{"a.b"}, []string{"edns0"},
			"search a.b\nnameserver 9.9.9.9\noptions edns0\n"},
		{"no search domain", host, false, nil, []string{"."}, nil, "nameserver 192.0.2.53\noptions ndots:2\n"},
	} {
		got := Parse([]byte(c.host)).Reachable(c.ipv6, PublicServers()).Override(c.servers, c.search, c.option).Text()
		if string(got) != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
	}
}

func TestHostResolverBehindSystemd(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(root, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := HostResolver(root); err != nil || b != nil {
		t.Errorf("without file: %q, %v", b, err)
	}
	write("etc/resolv.conf", "nameserver 127.0.0.53\n")
	write("run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\n")
	if b, err := HostResolver(root); err != nil || string(b) != "nameserver 192.0.2.1\n" {
		t.Errorf("got %q, %v", b, err)
	}
	write("etc/resolv.conf", "nameserver 127.0.0.1\n")
	if b, err := HostResolver(root); err != nil || string(b) != "nameserver 127.0.0.1\n" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestHosts(t *testing.T) {
	got := string(HostsText(nil, []Entry{
		{"10.0.0.1", []string{"host.docker.internal"}}, {"10.0.0.2", []string{"web", "web", ""}}, {"", []string{"x"}},
	}))
	want := localhost + "10.0.0.1\thost.docker.internal\n10.0.0.2\tweb\n"
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if got := string(HostsText([]byte("1.2.3.4 a"), []Entry{{"::1", []string{"b"}}})); got != "1.2.3.4 a\n::1\tb\n" {
		t.Errorf("got %q", got)
	}
}

func TestParseHost(t *testing.T) {
	for in, want := range map[string]string{
		"a:1.2.3.4":      "1.2.3.4",
		"a=1.2.3.4":      "1.2.3.4",
		"a:::1":          "::1",
		"a:[fd00::1]":    "fd00::1",
		"a:host-gateway": "host-gateway",
		"a":              "",
		":1.2.3.4":       "",
		"a:b":            "",
		"a b:1.2.3.4":    "",
		"a\nb:1.2.3.4":   "",
	} {
		e, err := ParseHost(in)
		if e.Addr != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %+v, %v", in, e, err)
		}
	}
}

func FuzzParseHost(f *testing.F) {
	f.Add("a:1.2.3.4")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseHost(s)
		if err != nil {
			return
		}
		text := HostsText([]byte{}, []Entry{e})
		for i, b := range text[:len(text)-1] {
			if b == '\n' {
				t.Fatalf("%q breaks out of its line at %d: %q", s, i, text)
			}
		}
	})
}

func TestWriteFillsInPlaceAndFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hosts")
	if err := Write(path, []byte("a long old one")); err != nil {
		t.Fatal(err)
	}
	mounted, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mounted.Close()
	if err := Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(mounted)
	st, err := os.Lstat(path)
	if err != nil || string(b) != "new" || st.Mode() != 0o644 {
		t.Errorf("got %q, %v, %v", b, st.Mode(), err)
	}
	other, link := filepath.Join(dir, "other"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(other, []byte("mine"), 0o600), os.Symlink(other, link)); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, []byte("new")); err == nil {
		t.Error("a link was followed")
	}
}
