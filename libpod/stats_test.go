package libpod

import (
	"reflect"
	"testing"
)

func TestParseNetDev(t *testing.T) {
	const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0: 1234567      10    0    0    0     0          0         0       89      11    0    0    0     0       0          0
broken: 1 2
`
	want := map[string]NetworkCounters{"eth0": {1234567, 89}}
	if got := parseNetDev(text); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMountsBelow(t *testing.T) {
	const text = `24 1 0:22 / /data/containers/a/x rw - tmpfs tmpfs rw
25 1 0:23 / /data/containers/a\040b rw - tmpfs tmpfs rw
26 1 0:24 / /database/containers/a rw - tmpfs tmpfs rw
`
	want := []string{"/data/containers/a b", "/data/containers/a/x"}
	if got := mountsBelow(text, "/data/containers"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
