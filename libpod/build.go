package libpod

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
	"skiff/state/memory"
)

// Entitlements that BuildRequest.Allow may hold. Docker: build --allow.
const (
	// AllowInsecure permits RUN --security=insecure.
	AllowInsecure = "security.insecure"
	// AllowHostNetwork permits RUN --network=host where the build has another network.
	AllowHostNetwork = "network.host"
	// AllowDevice permits RUN --device, with =VENDOR/CLASS=NAME of that device only and
	// with =VENDOR/CLASS of those of that kind.
	AllowDevice = "device"
)

// BuildRequest is a build and what its containers are like.
type BuildRequest struct {
	Build imagecall.Build
	// Template says how the programs of RUN instructions run, as create would have
	// it: limits, network, capabilities, devices, volumes. Process, name and image
	// come from the Dockerfile. How images are pulled (Pull, Authfile, CertDir,
	// TLSVerify, Retry) is taken from it, too.
	Template *CreateRequest
	// Allow are the entitlements that were given.
	Allow []string
	// Terminal gives the caller's terminal to a step that needs one
	// (--shell-on-failure) and what gives it back; nil where there is none.
	Terminal func() (AttachOptions, func(), error)
}

// Build has the image tool build an image and runs the programs of its RUN
// instructions. What could not be done is in the result's Failures, as with
// ImageCall. No container of the build is left when it returns.
func (e *Engine) Build(ctx context.Context, req BuildRequest, s Streams) (imagecall.Result, error) {
	call := imagecall.Request{Op: imagecall.OpBuild, Build: &req.Build}
	call.Build.CachePolicy = e.Settings.BuildCache
	call.DeviceDirs = e.Settings.Engine.VendorDirs
	if t := req.Template; t != nil {
		call.Policy, call.Platform, call.Quiet = t.Pull, t.Platform, t.Quiet
		call.AuthFile, call.CertDir, call.TLSVerify = t.Authfile, t.CertDir, t.TLSVerify
		call.Username, call.Password, call.Retry, call.RetryDelay = t.Username, t.Password, t.Retry, t.RetryDelay
	}
	held, err := e.holdBuilds(ctx)
	if err != nil {
		return imagecall.Result{}, err
	}
	defer held.Release()
	conn, theirs, err := stepSocket()
	if err != nil {
		return imagecall.Result{}, err
	}
	defer theirs.Close()
	run := &stepRun{e: e.steps(), req: req}
	served := make(chan error, 1)
	go func() { served <- imagecall.Serve(ctx, conn, run.handle) }()
	res, err := e.callTool(ctx, call, imageStdio{s.In, s.Out, s.Err}, theirs)
	theirs.Close()
	if err != nil {
		conn.Close() // perhaps the tool never had its end
	}
	serveErr := <-served
	conn.Close()
	if err == nil {
		err = serveErr
	}
	e.warnOf(run.awaitSteps())
	e.warnOf(memory.Sweep(e.Roots)) // what a killed tool had there
	e.warnOf(e.LeaveCgroups())
	return res, err
}

// stepSocket makes the connection on which the tool has programs run.
func stepSocket() (*net.UnixConn, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot start the image tool: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "steps")
	ours := os.NewFile(uintptr(pair[0]), "steps")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("cannot start the image tool: %w", err)
	}
	return conn.(*net.UnixConn), theirs, nil
}
