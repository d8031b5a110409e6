package idmap

import (
	"fmt"
	"strings"
	"testing"

	"skiff/state"
)

func text(m []state.IDRange) string {
	var out []string
	for _, r := range m {
		out = append(out, fmt.Sprintf("%d:%d:%d", r.Inside, r.Outside, r.Size))
	}
	return strings.Join(out, " ")
}

func user() Host {
	own := []state.IDRange{{Inside: 0, Outside: 1000, Size: 1}, {Inside: 1, Outside: 100000, Size: 5000}, {Inside: 5001, Outside: 300000, Size: 1000}}
	return Host{UID: 1000, GID: 100, UIDs: own, GIDs: own,
		Subordinate: func(name string) (u, g []state.IDRange, err error) {
			if name == "me" {
				u = []state.IDRange{{Outside: 100010, Size: 10}, {Outside: 300000, Size: 5}}
			}
			return u, u, nil
		},
		Taken: func() (u, g []state.IDRange, err error) { return nil, nil, nil },
		Needs: func() uint32 { return 100 },
	}
}

func root() Host {
	h := user()
	h.Root, h.UID, h.GID = true, 0, 0
	h.UIDs = []state.IDRange{{Size: 1<<32 - 1}}
	h.GIDs = h.UIDs
	h.Subordinate = func(name string) (u, g []state.IDRange, err error) {
		if name == "containers" {
			u = []state.IDRange{{Outside: 200000, Size: 3000}}
		}
		return u, u, nil
	}
	h.Taken = func() (u, g []state.IDRange, err error) {
		taken := []state.IDRange{{Outside: 200000, Size: 1024}}
		return taken, nil, nil
	}
	return h
}

func TestMake(t *testing.T) {
	for _, c := range []struct {
		name, mode string
		req        Request
		h          Host
		uids, gids string // gids empty: as uids
		user       string
	}{
		{"an ordinary user keeps the id", "keep-id", Request{}, user(), "0:1:1000 1000:0:1 1001:1001:5000", "0:1:100 100:0:1 101:101:5900", "1000:100"},
		{"the id to keep is another", "keep-id:uid=0,gid=2", Request{}, user(), "0:0:6001", "0:1:2 2:0:1 3:3:5998", "0:2"},
		{"an id beyond the range", "keep-id:uid=9000,gid=9000", Request{}, user(), "0:1:6000 9000:0:1", "", "9000:9000"},
		{"a small namespace", "keep-id:uid=5,gid=5,size=10", Request{}, user(), "0:1:5 5:0:1 6:6:4", "", "5:5"},
		{"root keeps all ids", "keep-id", Request{}, root(), "0:0:4294967295", "", "0:0"},
		{"nomap leaves the user out", "nomap", Request{}, user(), "0:1:6000", "", ""},
		{"auto has a least size", "auto", Request{}, user(), "0:1:1024", "", ""},
		{"auto takes what nobody has", "auto", Request{}, root(), "0:201024:1024", "0:200000:1024", ""},
		{"auto with a size and a mapping", "auto:size=10,uidmapping=3:7:1", Request{}, root(), "0:201024:3 3:7:1 4:201028:6", "0:200000:10", ""},
		{"ranges that follow on each other are one", "", Request{UIDMap: []string{"0:10:2", "2:12:3"}}, user(), "0:10:5", "", ""},
		{"groups as users, but for flags", "private", Request{UIDMap: []string{"0:1:9", "u20:30:1"}}, user(), "0:1:9 20:30:1", "0:1:9", ""},
		{"users as groups, but for flags", "", Request{GIDMap: []string{"0:1:9", "g20:30:1"}}, user(), "0:1:9", "0:1:9 20:30:1", ""},
		{"the flag + replaces", "", Request{UIDMap: []string{"0:0:100", "+50:1:1"}}, user(), "0:0:1 2:2:48 50:1:1 51:51:49", "", ""},
		{"the flag + first fills the rest", "", Request{UIDMap: []string{"+50:1:1"}}, user(), "0:0:1 1:2:49 50:1:1 51:51:5950", "", ""},
		{"an id of the host, over two ranges", "", Request{UIDMap: []string{"0:@104999:1", "5:@300000:2"}}, user(), "0:5000:1 5:5001:2", "", ""},
		{"a name's range", "", Request{SubUID: "me"}, user(), "0:11:10 10:5001:5", "", ""},
		{"a name's range for root", "", Request{SubGID: "containers"}, root(), "0:200000:3000", "", ""},
	} {
		p, err := Make(c.mode, c.req, c.h)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.gids == "" {
			c.gids = c.uids
		}
		if u, g := text(p.Maps.UIDs), text(p.Maps.GIDs); u != c.uids || g != c.gids || p.User != c.user {
			t.Errorf("%s: got %q, %q, user %q, want %q, %q, %q", c.name, u, g, p.User, c.uids, c.gids, c.user)
		}
	}
}

func TestMakeRefuses(t *testing.T) {
	single := user()
	single.UIDs = single.UIDs[:1]
	for _, c := range []struct {
		mode string
		req  Request
		h    Host
		want string
	}{
		{"nonsense", Request{}, user(), "unknown user namespace"},
		{"private", Request{}, root(), "at least one UID or GID mapping"},
		{"keep-id:foo=1", Request{}, user(), "invalid option"},
		{"keep-id:uid=x", Request{}, user(), "not a number"},
		{"keep-id:uid=1", Request{}, root(), "ordinary users"},
		{"nomap", Request{}, root(), "only supported in rootless mode"},
		{"nomap", Request{}, single, "has none"},
		{"nomap:x=1", Request{}, user(), "no options"},
		{"auto:size=5000", Request{}, root(), "not enough unused user ids"},
		{"auto", Request{}, single, "no subordinate ids"},
		{"auto", Request{UIDMap: []string{"0:1:1"}}, user(), "exclude each other"},
		{"", Request{UIDMap: []string{"0:1:1"}, SubUID: "me"}, user(), "exclude"},
		{"", Request{SubUID: "other"}, user(), "no range in /etc/subuid"},
		{"", Request{UIDMap: []string{"0:1:10", "5:20:1"}}, user(), "in common"},
		{"", Request{UIDMap: []string{"0:1:10", "20:5:1"}}, user(), "map the same"},
		{"", Request{UIDMap: []string{"0:6000:10"}}, user(), "6001 is not among"},
		{"", Request{UIDMap: []string{"0:@50:1"}}, user(), "host's id 50"},
		{"", Request{UIDMap: []string{"0"}}, user(), "want CONTAINER:FROM"},
		{"", Request{UIDMap: []string{"0:1:0"}}, user(), "empty"},
		{"", Request{UIDMap: []string{"0:4294967290:10"}}, root(), "beyond"},
		{"", Request{UIDMap: []string{"-1:1:1"}}, root(), "not a number"},
		{"", Request{UIDMap: []string{"u0:1:1"}}, user(), "no group id"},
	} {
		if p, err := Make(c.mode, c.req, c.h); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %+v: got %+v, %v, want an error with %q", c.mode, c.req, p, err, c.want)
		}
	}
}
