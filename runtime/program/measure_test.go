package program

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

// BenchmarkUnpack compares what the first use of each version costs: the image
// tool as it is and compressed, and the monitor as a file and in memory.
func BenchmarkUnpack(b *testing.B) {
	for _, name := range []string{ImageTool, Monitor} {
		data, err := os.ReadFile("bin/" + name)
		if err != nil {
			b.Skip("not built")
		}
		sum := sha256.Sum256(data)
		hash := &fstest.MapFile{Data: []byte(hex.EncodeToString(sum[:]))}
		var zip bytes.Buffer
		w, _ := gzip.NewWriterLevel(&zip, 9)
		w.Write(data)
		w.Close()
		plain := fstest.MapFS{"bin/" + name + ".sha256": hash, "bin/" + name: {Data: data}}
		packedFS := fstest.MapFS{"bin/" + name + ".sha256": hash, "bin/" + name + ".gz": {Data: zip.Bytes()}}
		b.Run(name+"/file", func(b *testing.B) {
			p := mustFind(b, plain, name)
			for b.Loop() {
				if _, err := p.file(roots(b)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/file-gzip", func(b *testing.B) {
			p := mustFind(b, packedFS, name)
			for b.Loop() {
				if _, err := p.file(roots(b)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/memory", func(b *testing.B) {
			p := mustFind(b, plain, name)
			for b.Loop() {
				path, err := p.memory()
				if err != nil {
					b.Fatal(err)
				}
				closePath(path)
			}
		})
	}
}

func closePath(path string) {
	var fd int
	fmt.Sscanf(path, "/proc/self/fd/%d", &fd)
	unix.Close(fd)
}
