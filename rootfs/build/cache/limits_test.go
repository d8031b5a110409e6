package cache

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
)

func TestWhatIsKept(t *testing.T) {
	for _, tt := range []struct {
		name       string
		space      Space
		free, want int64 // of 100
	}{
		{"no bound: nothing", Space{}, 10, 0},
		{"at most", Space{MaxUsed: 30}, 10, 30},
		{"at most more than there is", Space{MaxUsed: 300}, 10, 100},
		{"reserved alone", Space{Reserved: 40}, 10, 40},
		{"enough is free", Space{MinFree: 10}, 10, 100},
		{"not enough is free", Space{MinFree: 30}, 10, 80},
		{"more is to be free than there is", Space{MinFree: 300}, 10, 0},
		{"the smaller of two bounds", Space{MinFree: 30, MaxUsed: 90}, 10, 80},
		{"the other one", Space{MinFree: 30, MaxUsed: 70}, 10, 70},
		{"what is reserved stays", Space{MinFree: 300, MaxUsed: 1, Reserved: 50}, 10, 50},
	} {
		if got := tt.space.keep(100, tt.free); got != tt.want {
			t.Errorf("%s: keeps %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestLimitsOfAPolicy(t *testing.T) {
	r := roots(t)
	open(t, r).Close()
	var fs unix.Statfs_t
	must(t, unix.Statfs(r.Data, &fs))
	size := int64(fs.Blocks) * fs.Bsize
	day, none := 24*time.Hour, time.Duration(0)
	for name, tt := range map[string]struct {
		policy imagecall.CachePolicy
		want   Limits
	}{
		"nothing set": {imagecall.CachePolicy{}, Limits{Space{MaxUsed: min(20<<30, size/100*10)}, 30 * day}},
		"all set": {
			imagecall.CachePolicy{MaxUsed: &imagecall.Space{Bytes: 5}, MinFree: &imagecall.Space{Percent: 50}, Reserved: &imagecall.Space{Bytes: 1}, Unused: &day},
			Limits{Space{MaxUsed: 5, MinFree: size / 100 * 50, Reserved: 1}, day},
		},
		"no limit": {imagecall.CachePolicy{MaxUsed: &imagecall.Space{}, Unused: &none}, Limits{}},
	} {
		if got, err := LimitsOf(r, tt.policy); err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, tt.want)
		}
	}
}

func TestCutByWhatIsFree(t *testing.T) {
	r := roots(t)
	c := open(t, r)
	for i := range 3 {
		step(t, c, key(i), "x")
	}
	c.Close()
	c = open(t, r)
	cut := func(l Limits, want int) {
		t.Helper()
		_, err := c.Cut(l)
		must(t, err)
		list, err := c.List()
		must(t, err)
		if len(list) != want {
			t.Errorf("%+v: %d steps are left, want %d", l, len(list), want)
		}
	}
	cut(Limits{}, 3)
	cut(Limits{Space: Space{Reserved: 1}}, 3) // reserves, and bounds nothing
	cut(Limits{Space: Space{MinFree: 1}}, 3)
	cut(Limits{Space: Space{MinFree: 1 << 62, Reserved: 1 << 60}}, 3)
	cut(Limits{Space: Space{MinFree: 1 << 62}}, 0)
}
