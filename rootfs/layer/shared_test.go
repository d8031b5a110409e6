package layer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
)

// sharing gives images with a shared store whose records the fake image tool
// writes; renewed counts how often it was asked.
func sharing(t *testing.T, own []state.Image, shared func() []state.Image) (im Images, renewed *int) {
	t.Helper()
	im = records(t, own...)
	im.Roots.Run = t.TempDir()
	store := t.TempDir()
	if err := os.Mkdir(filepath.Join(store, "overlay-images"), 0o700); err != nil {
		t.Fatal(err)
	}
	renewed = new(int)
	im.Shared = &Shared{Stores: []string{store}}
	im.Shared.Renew = func() error {
		*renewed++
		dir := im.Shared.Dir(im.Roots)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		for _, img := range shared() {
			img.Version, img.ReadOnly = state.ImageVersion, true
			if err := jsonfile.Write(filepath.Join(dir, img.ID+".json"), img, jsonfile.Volatile); err != nil {
				return err
			}
		}
		stamp, err := im.Shared.Stamp()
		if err != nil {
			return err
		}
		return os.WriteFile(im.Shared.StampFile(im.Roots), []byte(stamp), 0o600)
	}
	return im, renewed
}

func TestSharedImages(t *testing.T) {
	both := state.Image{ID: strings.Repeat("a", 64), Names: []string{"docker.io/library/box:latest"}}
	far := state.Image{ID: strings.Repeat("b", 64), Names: []string{"quay.example/far:1"}}
	im, renewed := sharing(t, []state.Image{both}, func() []state.Image { return []state.Image{both, far} })

	if img, _, err := im.Lookup("box"); err != nil || img.ReadOnly || *renewed != 0 {
		t.Fatalf("own name: got %v, %v after %d renewals, want the own image and none", img, err, *renewed)
	}
	images, err := im.List()
	if err != nil || len(images) != 3 || images[0].ReadOnly || images[0].ID != both.ID {
		t.Fatalf("list: got %v, %v, want the own one first of three", images, err)
	}
	for _, ref := range []string{"quay.example/far:1", "bbbb", strings.Repeat("b", 64)} {
		if img, _, err := im.Lookup(ref); err != nil || img.ID != far.ID || !img.ReadOnly {
			t.Errorf("%q: got %v, %v, want the shared image", ref, img, err)
		}
	}
	if img, _, err := im.Lookup("aaaa"); err != nil || img.ReadOnly {
		t.Errorf("an id in both stores: got %v, %v, want the own image", img, err)
	}
	if *renewed != 1 {
		t.Errorf("got %d renewals of unchanged stores, want 1", *renewed)
	}
	index := filepath.Join(im.Shared.Stores[0], "overlay-images/images.json")
	if err := os.WriteFile(index, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := im.List(); err != nil || *renewed != 2 {
		t.Errorf("after a change: got %d renewals, %v, want 2", *renewed, err)
	}
}

func TestSharedStoreMissing(t *testing.T) {
	im := records(t, state.Image{ID: strings.Repeat("a", 64), Names: []string{"docker.io/library/box:latest"}})
	im.Shared = &Shared{Stores: []string{"/nowhere/store"}, Renew: func() error { return errors.New("renewed") }}
	im.Roots = dirs.Roots{Data: im.Roots.Data, Run: t.TempDir()}
	const want = `cannot use the shared image store "/nowhere/store": no such file or directory`
	if _, err := im.List(); err == nil || err.Error() != want {
		t.Errorf("list: got %v, want %s", err, want)
	}
	if _, _, err := im.Lookup("box"); err != nil {
		t.Errorf("an own image does not need the shared store: %v", err)
	}
}
