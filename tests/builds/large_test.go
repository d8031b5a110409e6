package builds

import "testing"

func (b *bed) addLarge(t *testing.T) {}
