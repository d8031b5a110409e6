package jsonfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skiff/state/jsonfile"
)

type value struct{ Text string }

func TestAReaderNeverSeesAPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.json")
	long := value{strings.Repeat("x", 1<<20)}
	if err := jsonfile.Write(path, value{"first"}, jsonfile.Volatile); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			if err := jsonfile.Write(path, long, jsonfile.Durable); err != nil {
				t.Error(err)
			}
			if err := jsonfile.Write(path, value{"first"}, jsonfile.Volatile); err != nil {
				t.Error(err)
			}
		}
	}()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		var v value
		if err := jsonfile.Read(path, &v); err != nil {
			t.Fatal(err)
		}
		if v.Text != "first" && v.Text != long.Text {
			t.Fatalf("read a mix of %d bytes", len(v.Text))
		}
	}
	left, _ := os.ReadDir(filepath.Dir(path))
	if len(left) != 1 {
		t.Errorf("files left beside the value: %v", left)
	}
}

func TestAFailedWriteKeepsTheOldValue(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "v.json")
	if err := jsonfile.Write(path, value{"old"}, jsonfile.Volatile); err != nil {
		t.Fatal(err)
	}
	if err := jsonfile.Write(path, make(chan int), jsonfile.Volatile); err == nil {
		t.Fatal("encoding a channel succeeded")
	}
	var v value
	if err := jsonfile.Read(path, &v); err != nil || v.Text != "old" {
		t.Errorf("got %q, %v; want the old value", v.Text, err)
	}
}

func TestReadDoesNotFollowALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(`{"Text":"s"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("secret", filepath.Join(dir, "v.json")); err != nil {
		t.Fatal(err)
	}
	var v value
	if err := jsonfile.Read(filepath.Join(dir, "v.json"), &v); err == nil {
		t.Errorf("read %q through a link", v.Text)
	}
}

func TestAnEmptyFileIsAMissingOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.json")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := jsonfile.Read(path, new(value)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestReadOfNothing(t *testing.T) {
	if err := jsonfile.Read(filepath.Join(t.TempDir(), "v"), new(value)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}
