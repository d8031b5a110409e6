package hooks

import "testing"

// BenchmarkReadNothing is what a start pays on a machine without hooks.
func BenchmarkReadNothing(b *testing.B) {
	dirs := DefaultDirs()
	for b.Loop() {
		if _, err := Read(dirs); err != nil {
			b.Fatal(err)
		}
	}
}
