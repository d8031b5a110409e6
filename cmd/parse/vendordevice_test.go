package parse

import (
	"slices"
	"testing"
)

func TestVendorDevices(t *testing.T) {
	for s, want := range map[string]bool{
		"vendor.com/class=name": true, "nvidia.com/gpu=all": true, "v/c=0": true, "a.b/c-d=x:1.2_3": true,
		"vendor.com/class": false, "/dev/null": false, "vendor.com/class=": false, "1.com/class=x": false,
		"vendor.com/cl/ass=x": false, "vendor.com/class=-x": false, "vendor.com/class=a b": false, "=": false,
	} {
		if got := isVendorDevice(s); got != want {
			t.Errorf("isVendorDevice(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestGPUs(t *testing.T) {
	for _, tt := range []struct {
		in       string
		want     []string
		features string
	}{
		{"all", []string{"nvidia.com/gpu=all"}, ""},
		{"2", []string{"nvidia.com/gpu=0", "nvidia.com/gpu=1"}, ""},
		{"device=1", []string{"nvidia.com/gpu=1"}, ""},
		{`"device=0,GPU-3a,capabilities=utility,compute"`, []string{"nvidia.com/gpu=0", "nvidia.com/gpu=GPU-3a"}, "utility,compute"},
		{"all,capabilities=gpu", []string{"nvidia.com/gpu=all"}, ""},
		{"driver=amd,count=all", []string{"amd.com/gpu=all"}, ""},
		{"count=-1", []string{"nvidia.com/gpu=all"}, ""},
	} {
		devices, features, err := GPUs(tt.in)
		if err != nil {
			t.Errorf("GPUs(%q): %v", tt.in, err)
			continue
		}
		var got []string
		for _, d := range devices {
			got = append(got, d.Vendor)
		}
		if !slices.Equal(got, tt.want) || features != tt.features {
			t.Errorf("GPUs(%q) = %q, %q; want %q, %q", tt.in, got, features, tt.want, tt.features)
		}
	}
	for _, bad := range []string{"", "0", "-2", "some", "device=", "device=a/b", "options=x=y", "100000", "driver=a/b,all", "color=red"} {
		if d, _, err := GPUs(bad); err == nil {
			t.Errorf("GPUs(%q) = %v, want an error", bad, d)
		}
	}
}
