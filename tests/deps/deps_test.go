package deps

import (
	"fmt"
	"strings"
	"testing"
)

// TestSkiffLinksNoColdLibraries: what only pulls and pushes need is in the
// image tool.
func TestSkiffLinksNoColdLibraries(t *testing.T) {
	g := load(t, "1", ".")
	bad := map[string]string{
		"net/http":                      "the hot program speaks no HTTP",
		"crypto/tls":                    "nor TLS",
		"google.golang.org/grpc":        "tables made at start",
		"google.golang.org/protobuf":    "registers types at start",
		"github.com/golang/protobuf":    "registers types at start",
		"go.podman.io/image":            "belongs to the image tool",
		"go.podman.io/storage":          "belongs to the image tool",
		"go.podman.io/common":           "brings both of them",
		"github.com/russross":           "a Markdown parser; see docs/decisions/0002",
		"github.com/checkpoint-restore": "see docs/decisions/0002",
		"github.com/klauspost":          "compression belongs to the image tool",
		"html/template":                 "text/template does",
		"encoding/gob":                  "reflects at start",
		"expvar":                        "brings net/http",
	}
	forbid(t, g, bad)
}

// forbid fails for each linked package at or below a forbidden path.
func forbid(t *testing.T, g graph, bad map[string]string) {
	t.Helper()
	for _, p := range g.packages() {
		for path, why := range bad {
			if within(p, path) {
				t.Errorf("%s is linked (%s):\n\t%s", p, why, g.chain(p))
				return // one chain says enough: its neighbours come the same way
			}
		}
	}
}

// TestSmallPrograms: the monitor lives as long as its container, and the
// container's init is inside of it.
func TestSmallPrograms(t *testing.T) {
	tests := []struct {
		program string
		allowed []string
	}{
		{"./runtime/monitor/main", []string{"golang.org/x/sys", "skiff/state", "skiff/runtime/wire",
			"skiff/runtime/logfile", "skiff/runtime/resolver", "skiff/runtime/teardown", "skiff/runtime/health",
			"skiff/runtime/proctree", "skiff/runtime/monitor"}},
		{"./runtime/init", []string{"golang.org/x/sys", "skiff/runtime/init"}},
		{"./rootfs/welcome/server", []string{"golang.org/x/sys", "golang.org/x/net", "golang.org/x/text",
			"golang.org/x/crypto", "skiff/rootfs/welcome"}},
	}
	for _, tt := range tests {
		t.Run(tt.program, func(t *testing.T) {
			g := load(t, "0", tt.program)
			for _, p := range g.packages() {
				if !g.std[p] && !withinAny(p, tt.allowed) {
					t.Errorf("%s is linked:\n\t%s", p, g.chain(p))
				}
			}
			if strings.HasPrefix(tt.program, "./runtime") {
				forbid(t, g, map[string]string{"net/http": "too large", "crypto/tls": "too large",
					"text/template": "keeps all methods alive", "regexp": "not needed"})
			}
		})
	}
}

// TestOneImporter: each library that touches the machine is called through one
// package.
func TestOneImporter(t *testing.T) {
	owners := map[string][]string{
		"github.com/opencontainers/runc":              {"skiff/runtime/sandbox"},
		"github.com/opencontainers/cgroups":           {"skiff/runtime/sandbox"},
		"github.com/vishvananda":                      {"skiff/netsetup/link"},
		"github.com/google/nftables":                  {"skiff/netsetup/firewall"},
		"github.com/mdlayher/netlink":                 {"skiff/netsetup/firewall"},
		"github.com/coreos/go-iptables":               {"skiff/netsetup/firewall"},
		"github.com/urfave/cli":                       {"skiff/cmd"},
		"github.com/moby/profiles":                    {"skiff/runtime/spec"},
		"github.com/cyphar/filepath-securejoin":       {"skiff/rootfs/safepath"},
		"github.com/godbus/dbus":                      {"skiff/runtime/sandbox", "skiff/runtime/scope", "skiff/netsetup/firewall"},
		"github.com/coreos/go-systemd":                {"skiff/runtime/scope"},
		"go.podman.io/storage":                        {"skiff/rootfs/store", "skiff/rootfs/imagetool", "skiff/rootfs/archive", "skiff/rootfs/registry"},
		"go.podman.io/common":                         {"skiff/rootfs/store", "skiff/rootfs/index"},
		"go.podman.io/image":                          {"skiff/rootfs/store", "skiff/rootfs/imagetool", "skiff/rootfs/archive", "skiff/rootfs/registry", "skiff/rootfs/index"},
		"github.com/docker/docker-credential-helpers": {"skiff/rootfs/registry"},
	}
	g := load(t, "1", "./...")
	for lib, allowed := range owners {
		importers := map[string]bool{}
		for pkg, imports := range g.imports {
			if !ours(pkg) || within(pkg, "skiff/tests") {
				continue
			}
			for _, i := range imports {
				if within(i, lib) || within(i, lib+"/v5") {
					importers[pkg] = true
				}
			}
		}
		for pkg := range importers {
			if !withinAny(pkg, allowed) {
				t.Errorf("%s imports %s; only %s may", pkg, lib, strings.Join(allowed, ", "))
			}
		}
	}
}

// TestRooms: cmd speaks, libpod decides, runtime, rootfs and netsetup do, state
// remembers; nobody looks upward, and the three in the middle not sideways.
func TestRooms(t *testing.T) {
	rooms := []string{"skiff/cmd", "skiff/libpod", "skiff/runtime", "skiff/rootfs", "skiff/netsetup", "skiff/state"}
	forbidden := map[string][]string{
		"skiff/libpod":   {"skiff/cmd"},
		"skiff/runtime":  {"skiff/cmd", "skiff/libpod", "skiff/rootfs", "skiff/netsetup"},
		"skiff/rootfs":   {"skiff/cmd", "skiff/libpod", "skiff/runtime", "skiff/netsetup"},
		"skiff/netsetup": {"skiff/cmd", "skiff/libpod", "skiff/runtime", "skiff/rootfs"},
		"skiff/state":    {"skiff/cmd", "skiff/libpod", "skiff/runtime", "skiff/rootfs", "skiff/netsetup"},
	}
	g := load(t, "1", "./...")
	for pkg, imports := range g.imports {
		for room, bad := range forbidden {
			if !within(pkg, room) {
				continue
			}
			for _, i := range imports {
				if withinAny(i, bad) {
					t.Errorf("%s imports %s", pkg, i)
				}
			}
		}
	}
	for _, room := range rooms {
		if _, ok := find(g, room); !ok {
			t.Errorf("there is no package in %s: is this test up to date?", room)
		}
	}
}

func find(g graph, room string) (string, bool) {
	for p := range g.imports {
		if within(p, room) {
			return p, true
		}
	}
	return "", false
}

// TestStateIsPlain: the records are read by the monitor, too.
func TestStateIsPlain(t *testing.T) {
	g := load(t, "0", "./state/...")
	for _, p := range g.packages() {
		if !g.std[p] && !within(p, "skiff/state") && !within(p, "golang.org/x/sys") {
			t.Errorf("%s is linked:\n\t%s", p, g.chain(p))
		}
	}
}

// TestLedger prints what each program links, for `make deps`, and bounds it.
func TestLedger(t *testing.T) {
	programs := []struct {
		name, path, cgo string
		most            int // packages that are not of the standard library
	}{
		{"skiff", ".", "1", 190},
		{"monitor", "./runtime/monitor/main", "0", 16},
		{"init", "./runtime/init", "0", 4},
		{"image tool", "./rootfs/imagetool", "0", 700},
	}
	for _, p := range programs {
		g := load(t, p.cgo, p.path)
		modules, n := map[string]int{}, 0
		for _, pkg := range g.packages() {
			if g.std[pkg] {
				continue
			}
			n++
			modules[top(pkg)]++
		}
		fmt.Printf("%s: %d packages, %d of them not of the standard library\n", p.name, len(g.imports), n)
		for _, m := range sorted(modules) {
			fmt.Printf("  %4d %s\n", modules[m], m)
		}
		if n > p.most {
			t.Errorf("%s links %d packages beside the standard library, more than %d", p.name, n, p.most)
		}
	}
}

// top is the module's name as far as it can be told from a path.
func top(pkg string) string {
	parts := strings.Split(pkg, "/")
	n := 1
	switch {
	case parts[0] == "github.com":
		n = 3
	case strings.Contains(parts[0], "."):
		n = 2
	}
	return strings.Join(parts[:min(n, len(parts))], "/")
}
