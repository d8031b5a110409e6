package builds

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"skiff/tests/dockerd"
)

// buildkitDir names a directory with a current buildkitd and buildctl.
const buildkitDir = "SKIFF_BUILDKIT"

const buildkitDaemon = `
DIR/buildkitd --config BED/buildkitd.toml --root TOP/data --addr unix://TOP/sock --containerd-worker=false \
	--oci-worker-binary runc --oci-worker-net host --oci-worker-snapshotter overlayfs --oci-cni-pool-size 0 \
	--allow-insecure-entitlement network.host --allow-insecure-entitlement security.insecure &
wait`

// newBuildkit is a current BuildKit, for recording what it makes; nil if there is
// none.
func newBuildkit(t *testing.T, b *bed) *engine {
	t.Helper()
	bin := os.Getenv(buildkitDir)
	if bin == "" {
		return nil
	}
	top := b.daemonTop(t, "buildkit")
	ctl := filepath.Join(bin, "buildctl")
	addr := "unix://" + top + "/sock"
	script := strings.NewReplacer("DIR", bin, "BED", b.top).Replace(buildkitDaemon)
	d, err := dockerd.Launch(top, append(b.env(), "OTEL_SDK_DISABLED=true"), script, exec.Command(ctl, "--addr", addr, "debug", "workers"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	e := &engine{name: "buildkit", bed: b, archive: true}
	e.build = func(k *kase, dir string) []string {
		args := []string{ctl, "--addr", addr, "build", "--progress", "plain", "--frontend", "dockerfile.v0",
			"--allow", "network.host", "--allow", "security.insecure",
			"--output", "type=oci,compression=uncompressed,dest=" + filepath.Join(dir, "buildkit.tar")}
		return append(args, buildctlFlags(k.flags)...)
	}
	e.save = func(k *kase, into string) []string {
		return []string{"mv", filepath.Join(b.top, "cases", k.name, "buildkit.tar"), into}
	}
	return e
}

// buildctlFlags says with buildctl's flags what docker build's say.
func buildctlFlags(flags []string) []string {
	args, file := []string{"--local", "context=ctx"}, "ctx/Dockerfile"
	for i := 0; i+1 < len(flags); i += 2 {
		name, v := flags[i], flags[i+1]
		switch name {
		case "--build-arg":
			args = append(args, "--opt", "build-arg:"+v)
		case "--label":
			args = append(args, "--opt", "label:"+v)
		case "--target", "--platform":
			args = append(args, "--opt", strings.TrimPrefix(name, "--")+"="+v)
		case "--network":
			args = append(args, "--opt", "force-network-mode="+v)
		case "--add-host":
			h, ip, _ := strings.Cut(v, ":")
			args = append(args, "--opt", "add-hosts="+h+"="+ip)
		case "--secret", "--ssh":
			args = append(args, name, v)
		case "--build-context":
			key, at, _ := strings.Cut(v, "=")
			if strings.Contains(at, "://") {
				args = append(args, "--opt", "context:"+key+"="+at)
			} else {
				args = append(args, "--opt", "context:"+key+"=local:"+key, "--local", key+"="+at)
			}
		case "-f":
			file = v
		}
	}
	return append(args, "--local", "dockerfile="+filepath.Dir(file), "--opt", "filename="+filepath.Base(file))
}
