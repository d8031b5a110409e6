package builds

import (
	"testing"

	"skiff/tests/images"
)

// addLarge adds the base images that are only worth their time beside others.
func (b *bed) addLarge(t *testing.T) {
	t.Helper()
	archive, err := images.Debian()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.addBase("debian", archive); err != nil {
		t.Fatalf("debian: %v", err)
	}
}
