package imagecall_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
)

// connected gives the two ends, the engine's served by handler. The channel gets
// what Serve returns.
func connected(t *testing.T, ctx context.Context, handler imagecall.Handler) (*imagecall.Runner, *net.UnixConn, <-chan error) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(pair[0]), "engine")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	conn := c.(*net.UnixConn)
	served := make(chan error, 1)
	go func() { served <- imagecall.Serve(ctx, conn, handler) }()
	r := imagecall.NewRunner(pair[1])
	t.Cleanup(func() { r.Close(); conn.Close() })
	return r, conn, served
}

func null(t *testing.T) [3]*os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return [3]*os.File{f, f, f}
}

func TestStepsRunBesideEachOtherWithTheirOwnStreams(t *testing.T) {
	const n = 20
	var all sync.WaitGroup
	all.Add(n)
	r, _, served := connected(t, t.Context(), func(_ context.Context, s imagecall.Step, stdio [3]*os.File) imagecall.StepResult {
		all.Done()
		all.Wait() // none ends before all have begun
		fmt.Fprintf(stdio[1], "%s %s", s.Args[0], strings.Repeat("x", len(s.Env[0])))
		return imagecall.StepResult{Code: len(s.Args[0])}
	})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			in, out, err := os.Pipe()
			if err != nil {
				t.Error(err)
				return
			}
			defer in.Close()
			name := strings.Repeat("a", i+1)
			long := strings.Repeat("y", i*100_000) // more than a socket takes at once
			read := make(chan string, 1)
			go func() { data, _ := io.ReadAll(in); read <- string(data) }()
			null := null(t)
			res, err := r.Run(t.Context(), imagecall.Step{Args: []string{name}, Env: []string{long}}, [3]*os.File{null[0], out, null[2]})
			out.Close()
			if err != nil || res.Code != i+1 {
				t.Errorf("got %+v, %v; want code %d", res, err, i+1)
			}
			if got, want := <-read, name+" "+strings.Repeat("x", len(long)); got != want {
				t.Errorf("the output is %d bytes long, want %d", len(got), len(want))
			}
		})
	}
	group.Wait()
	r.Close()
	if err := <-served; err != nil {
		t.Errorf("serve: got %v, want nil", err)
	}
}

func TestTheEndOfTheContextEndsTheStepAndWaitsForIt(t *testing.T) {
	begun := make(chan struct{})
	var ended atomic.Bool
	r, _, _ := connected(t, t.Context(), func(ctx context.Context, _ imagecall.Step, _ [3]*os.File) imagecall.StepResult {
		close(begun)
		<-ctx.Done()
		ended.Store(true)
		return imagecall.StepResult{Code: 137}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	res, err := r.Run(ctx, imagecall.Step{Args: []string{"sleep"}}, null(t))
	if !errors.Is(err, context.Canceled) || res.Code != 137 || !ended.Load() {
		t.Errorf("got %+v, %v, ended %v; want 137, canceled, true", res, err, ended.Load())
	}
	if _, err := r.Run(ctx, imagecall.Step{}, null(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: got %v, want canceled", err)
	}
}

func TestTheEndOfTheToolEndsAllSteps(t *testing.T) {
	begun := make(chan struct{}, 3)
	var ended sync.WaitGroup
	ended.Add(3)
	r, _, served := connected(t, t.Context(), func(ctx context.Context, _ imagecall.Step, _ [3]*os.File) imagecall.StepResult {
		begun <- struct{}{}
		<-ctx.Done()
		ended.Done()
		return imagecall.StepResult{}
	})
	for range 3 {
		go r.Run(t.Context(), imagecall.Step{}, null(t))
	}
	for range 3 {
		<-begun
	}
	r.Close()
	ended.Wait()
	if err := <-served; err != nil {
		t.Errorf("serve: got %v, want nil", err)
	}
}

func TestTheEndOfTheEngineIsAnError(t *testing.T) {
	begun := make(chan struct{})
	r, conn, _ := connected(t, t.Context(), func(ctx context.Context, _ imagecall.Step, _ [3]*os.File) imagecall.StepResult {
		close(begun)
		<-ctx.Done()
		return imagecall.StepResult{}
	})
	go func() { <-begun; conn.Close() }()
	if res, err := r.Run(t.Context(), imagecall.Step{}, null(t)); !errors.Is(err, imagecall.ErrGone) {
		t.Errorf("got %+v, %v; want that skiff has ended", res, err)
	}
	<-r.Gone()
	if _, err := r.Run(t.Context(), imagecall.Step{}, null(t)); !errors.Is(err, imagecall.ErrGone) {
		t.Errorf("again: got %v, want that skiff has ended", err)
	}
}

func TestATooLongMessageIsRefused(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	f := os.NewFile(uintptr(pair[0]), "engine")
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := unix.Write(pair[1], []byte{0xff, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if err := imagecall.Serve(t.Context(), c.(*net.UnixConn), nil); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v, want that the message is too long", err)
	}
}

func TestWithoutAConnectionTheFirstRunSaysSo(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	r := imagecall.NewRunner(fd)
	<-r.Gone()
	if _, err := r.Run(t.Context(), imagecall.Step{}, null(t)); err == nil || !strings.Contains(err.Error(), "connection") {
		t.Errorf("got %v, want that there is no connection", err)
	}
}
