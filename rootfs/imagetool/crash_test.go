package main

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"skiff/rootfs/imagecall"
	registry "skiff/tests/registry"
)

// big is an image of several layers that take a moment to unpack.
func big(t *testing.T, layers, files int) registry.Image {
	t.Helper()
	random := rand.New(rand.NewSource(1))
	img := registry.Image{Config: map[string]any{}}
	for l := range layers {
		var content []registry.File
		for f := range files {
			data := make([]byte, 2000)
			random.Read(data)
			content = append(content, file(fmt.Sprintf("l%d/f%d", l, f), string(data)))
		}
		img.Layers = append(img.Layers, registry.Layer{Tar: registry.Tar(t, content...), Compression: "gzip"})
	}
	return img
}

// whole asserts that all files of a big image are there.
func (tl *tool) whole(t *testing.T, ref string, layers, files int) {
	t.Helper()
	rec := tl.lookup(t, ref)
	if len(rec.Layers) != layers {
		t.Fatalf("got %d layers, want %d", len(rec.Layers), layers)
	}
	for l, dir := range rec.Layers {
		entries, err := os.ReadDir(filepath.Join(dir, fmt.Sprintf("l%d", l)))
		if err != nil || len(entries) != files {
			t.Fatalf("layer %d: got %d files, %v, want %d", l, len(entries), err, files)
		}
		for _, e := range entries {
			if st, err := e.Info(); err != nil || st.Size() != 2000 {
				t.Fatalf("layer %d, %s: %v, %v", l, e.Name(), st, err)
			}
		}
	}
}

func TestKilledPullsLeaveTheStoreUsable(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	const layers, files, rounds = 4, 100, 7
	srv.Push(t, "big", "1", big(t, layers, files).Build(t))
	name := srv.Host + "/big:1"
	// How long a whole pull takes here and now.
	began := time.Now()
	if res := tl.started(t, pullOf(name), nil).result(t); len(res.Failures) > 0 {
		t.Fatal(res.Failures)
	}
	took := time.Since(began)
	tl.must(t, imagecall.Request{Op: imagecall.OpRemove, All: true})
	for round := range rounds {
		for range 2 { // one kill after the other
			p := tl.started(t, pullOf(name), nil)
			timer := time.AfterFunc(took*time.Duration(round+1)/rounds, func() { _ = p.Process.Signal(syscall.SIGKILL) })
			_ = p.Wait()
			timer.Stop()
			if _, _, err := tl.images.Lookup(name); err == nil {
				tl.whole(t, name, layers, files)
			}
		}
		tl.must(t, imagecall.Request{Op: imagecall.OpSync})
		tl.must(t, pullOf(name))
		tl.whole(t, name, layers, files)
		// Removal that is killed, too.
		p := tl.started(t, rmi(name), nil)
		timer := time.AfterFunc(took*time.Duration(round+1)/rounds/3, func() { _ = p.Process.Signal(syscall.SIGKILL) })
		_ = p.Wait()
		timer.Stop()
		tl.must(t, imagecall.Request{Op: imagecall.OpSync})
		if _, _, err := tl.images.Lookup(name); err == nil {
			tl.whole(t, name, layers, files)
		}
		tl.must(t, imagecall.Request{Op: imagecall.OpRemove, All: true})
		tl.empty(t)
	}
}

func TestInterruptedPullEndsInOrder(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	srv.Push(t, "big", "1", big(t, 6, 200).Build(t))
	p := tl.started(t, pullOf(srv.Host+"/big:1"), nil)
	waitFor(t, "the pull to begin", func() bool {
		files, _ := filepath.Glob(tl.roots.Spool() + "/*/*")
		return len(files) > 1
	})
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if res := p.result(t); len(res.Failures) == 1 && !strings.Contains(res.Failures[0].Message, "interrupted") {
		t.Errorf("got %+v", res.Failures)
	}
	if left, _ := os.ReadDir(tl.roots.Spool()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	tl.must(t, pullOf(srv.Host+"/big:1"))
	tl.whole(t, "big:1", 6, 200)
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPullsAtOnceOfOneAndOfAkinImages(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	const layers, files = 4, 100
	img := big(t, layers, files)
	srv.Push(t, "one", "1", img.Build(t))
	// Akin images share their lower layers.
	var refs []string
	for i := range 3 {
		more := img
		more.Config = map[string]any{"Env": []string{fmt.Sprintf("N=%d", i)}}
		srv.Push(t, "akin", fmt.Sprint(i), more.Build(t))
		refs = append(refs, srv.Host+"/one:1", fmt.Sprintf("%s/akin:%d", srv.Host, i))
	}
	var wait sync.WaitGroup
	results := make([]*imagecall.Result, len(refs))
	for i, ref := range refs {
		p := tl.started(t, pullOf(ref), nil)
		wait.Add(1)
		go func() {
			defer wait.Done()
			results[i] = p.result(t)
		}()
	}
	wait.Wait()
	changed := 0
	for i, res := range results {
		if len(res.Failures) > 0 {
			t.Fatalf("%s: %+v", refs[i], res.Failures)
		}
		if refs[i] == srv.Host+"/one:1" && res.Images[0].Changed {
			changed++
		}
		tl.whole(t, refs[i], layers, files)
	}
	if changed != 1 {
		t.Errorf("%d of the pulls of one image report a new one, want 1", changed)
	}
	tl.checkIndex(t)
	tl.must(t, imagecall.Request{Op: imagecall.OpRemove, All: true})
	tl.empty(t)
}

// TestReadersDoNotWaitForWriters stops a pull at many moments, with whatever locks
// it then holds: who looks an image up meanwhile must not need them.
func TestReadersDoNotWaitForWriters(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	here := tl.loaded(t, simple(t, "gzip"), "here:1")
	srv.Push(t, "big", "1", big(t, 6, 200).Build(t))
	p := tl.started(t, pullOf(srv.Host+"/big:1"), nil)
	ended := make(chan struct{})
	go func() { _ = p.Wait(); close(ended) }()
	for stops := 0; ; stops++ {
		select {
		case <-ended:
			if stops < 5 {
				t.Errorf("the pull ended after %d stops", stops)
			}
			return
		default:
		}
		_ = p.Process.Signal(syscall.SIGSTOP)
		found := make(chan string, 1)
		go func() { found <- tl.lookup(t, "here:1").ID }()
		select {
		case id := <-found:
			if id != here.ID() {
				t.Fatalf("got %s", id)
			}
		case <-time.After(20 * time.Second):
			_ = p.Process.Signal(syscall.SIGKILL)
			t.Fatal("a lookup waits for a pull that is stopped")
		}
		_ = p.Process.Signal(syscall.SIGCONT)
	}
}
