package spec

import (
	"errors"
	"slices"
	"testing"
)

func TestUserOfANamespace(t *testing.T) {
	u := User{UID: 33, GID: 33, Groups: []uint32{4, 100}}
	if got, err := u.Mapped(65536, 100); err != nil || !slices.Equal(got.Groups, []uint32{4}) || len(u.Groups) != 2 {
		t.Errorf("got %+v, %v; want the groups 4, and the user unchanged", got, err)
	}
	for _, c := range []struct{ uids, gids uint32 }{{1, 1}, {33, 65536}, {65536, 33}} {
		if _, err := u.Mapped(c.uids, c.gids); !errors.Is(err, ErrUnmapped) {
			t.Errorf("%d users, %d groups: got %v", c.uids, c.gids, err)
		}
	}
}
