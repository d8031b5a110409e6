package scope

import "testing"

func TestInScope(t *testing.T) {
	for cgroups, want := range map[string]bool{
		"0::/user.slice/user-1000.slice/session-3.scope\n":                                     true,
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n":       true,
		"12:pids:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-1.scope\n0::/\n": true,
		"0::/system.slice/web.service\n":                                                       false,
		"0::/system.slice/testbed.service/inner\n":                                             false,
		"0::/init.scope\n":          false,
		"0::/\n":                    false,
		"4:memory:/a.scope\n0::/\n": false,
		"":                          false,
	} {
		if got := inScope(cgroups); got != want {
			t.Errorf("%q: %v, want %v", cgroups, got, want)
		}
	}
}
