package vendordevice

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const descriptions = `{"cdiVersion": "0.6.0", "kind": "vendor.com/class",
"annotations": {"org.mobyproject.buildkit.device.class": "usual"}, "devices": [
{"name": "b", "containerEdits": {"env": ["B=1"]}},
{"name": "a", "annotations": {"org.mobyproject.buildkit.device.class": "special"}, "containerEdits": {"env": ["A=1"]}},
{"name": "c", "containerEdits": {"env": ["C=1"]}}]}`

func TestFind(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(descriptions), 0o644); err != nil {
		t.Fatal(err)
	}
	a, b, c := "vendor.com/class=a", "vendor.com/class=b", "vendor.com/class=c"
	for _, tt := range []struct {
		wanted, names, lacking []string
	}{
		{[]string{b}, []string{b}, nil},
		{[]string{"vendor.com/class"}, []string{a}, nil},
		{[]string{c, "vendor.com/class=*", a}, []string{c, a, b}, nil},
		{[]string{"usual"}, []string{b, c}, nil},
		{[]string{"special", "other"}, []string{a}, []string{"other"}},
		{[]string{"vendor.com/class=d", "vendor.com/clas", "vendor.com/*", "", "="}, nil, []string{"vendor.com/class=d", "vendor.com/clas", "vendor.com/*", "", "="}},
	} {
		var wanted []Wanted
		for _, n := range tt.wanted {
			wanted = append(wanted, Wanted{Name: n})
		}
		names, lacking, err := Find([]string{dir}, wanted)
		if err != nil || !slices.Equal(names, tt.names) || !slices.Equal(lacking, tt.lacking) {
			t.Errorf("%q: got %q without %q, %v, want %q without %q", tt.wanted, names, lacking, err, tt.names, tt.lacking)
		}
	}
	_, _, err := Find([]string{dir}, []Wanted{{Name: a}, {Name: "vendor.com/class=d", Required: true}})
	if err == nil || !strings.Contains(err.Error(), `cannot find the device "vendor.com/class=d"`) {
		t.Errorf("a required device that is not there: %v", err)
	}
}
