package state

import (
	"reflect"
	"testing"
)

func TestMountIDMaps(t *testing.T) {
	c := IDMaps{UIDs: []IDRange{{0, 100000, 1000}, {1000, 500000, 10}}, GIDs: []IDRange{{0, 200000, 1000}}}
	for text, want := range map[string]*IDMaps{
		"uids=0-1-10#10-11-10;gids=0-100-10": {UIDs: []IDRange{{0, 1, 10}, {10, 11, 10}}, GIDs: []IDRange{{0, 100, 10}}},
		"uids=@7-5-2":                        {UIDs: []IDRange{{7, 100005, 2}}, GIDs: c.GIDs},
		"gids=@0-1000-1":                     nil,
		"uids=@0-999-2":                      nil, // not in one piece
		"uids=0-1":                           nil,
		"uids=0-1-0":                         nil,
		"uids=0-4294967295-1":                nil,
		"uids=-1-0-1":                        nil,
		"uids=0-0-1;uids=1-1-1":              nil,
		"uid=0-0-1":                          nil,
		"":                                   nil,
		"uids=0-0-1;":                        nil,
	} {
		m, err := ParseMountIDMap(text)
		var got IDMaps
		if err == nil {
			got, err = m.Over(c)
		}
		if want == nil {
			if err == nil {
				t.Errorf("%q: got %v, want an error", text, got)
			}
		} else if err != nil || !reflect.DeepEqual(got, *want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, *want)
		}
	}
}
