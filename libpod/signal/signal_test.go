package signal

import "testing"

func TestParse(t *testing.T) {
	for in, want := range map[string]int{
		"9": 9, "KILL": 9, "SIGKILL": 9, "sigterm": 15, "hup": 1, "64": 64, "RTMIN": 34, "rtmin+3": 37,
		"SIGRTMAX-1": 63, "RTMAX": 64, "1": 1, "-1": 1, "-INT": 2,
	} {
		if got, err := Parse(in); err != nil || int(got) != want {
			t.Errorf("Parse(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "0", "65", "--1", "FOO", "SIG", "SIGSIGKILL", "RTMIN+31", "RTMAX-99", "RTMIN+x", "9 "} {
		if got, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) = %d, want an error", in, got)
		}
	}
}
