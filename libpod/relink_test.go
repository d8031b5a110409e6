package libpod

import "testing"

func TestReaddress(t *testing.T) {
	const before = "127.0.0.1\tlocalhost\n# 10.0.0.2 db\n10.0.0.2\tdb\n10.0.0.2 alias other # mine\n10.0.0.3\tdbx\n10.0.0.2\tdb"
	const want = "127.0.0.1\tlocalhost\n# 10.0.0.2 db\n10.0.0.9\tdb\n10.0.0.9 alias other # mine\n10.0.0.3\tdbx\n10.0.0.9\tdb"
	if got := string(readdress([]byte(before), []string{"db", "alias"}, "10.0.0.9")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
