package settings

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"skiff/rootfs/imagecall"
)

func TestBuildCache(t *testing.T) {
	r := newTree(t)
	r.write("etc/containers/containers.conf", "[build_cache]\nmax_used_space = \"1m\"\nreserved_space = \"3m\"\nkeep_duration = \"7d\"\n")
	r.env["CONTAINERS_CONF_OVERRIDE"] = r.write("more", "[build_cache]\nmax_used_space = \"0m\"\nmin_free_space = \"20%\"\nkeep_duration = \"36h\"\nother = 1\n")
	got, err := r.load(0)
	if err != nil {
		t.Fatal(err)
	}
	age := 36 * time.Hour
	want := imagecall.CachePolicy{MaxUsed: &imagecall.Space{}, MinFree: &imagecall.Space{Percent: 20}, Reserved: &imagecall.Space{Bytes: 3 << 20}, Unused: &age}
	if !reflect.DeepEqual(got.BuildCache, want) {
		t.Errorf("got %+v, want %+v", got.BuildCache, want)
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "build_cache.other") {
		t.Errorf("warned: %q", got.Warnings)
	}
	for _, bad := range []string{
		`max_used_space = "101%"`, `max_used_space = "-1%"`, `max_used_space = "x"`, `min_free_space = 5`, `min_free_space = "%"`,
		`keep_duration = 3`, `keep_duration = "-3h"`, `keep_duration = "3 days"`, `keep_duration = "99999999d"`,
	} {
		r.env["CONTAINERS_CONF_OVERRIDE"] = r.write("more", "[build_cache]\n"+bad+"\n")
		if _, err := r.load(0); err == nil || !strings.Contains(err.Error(), "build_cache.") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}
