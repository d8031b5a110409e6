package main

import (
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	allowed := []*regexp.Regexp{regexp.MustCompile(`no cgroup v2`)}
	tests := map[string]struct {
		in   string
		bad  int
		pass int
	}{
		"a passed test":              {`{"Action":"pass","Package":"p","Test":"T"}`, 0, 1},
		"a failed test":              {`{"Action":"fail","Package":"p","Test":"T"}`, 1, 0},
		"a package without tests":    {`{"Action":"skip","Package":"p"}`, 0, 0},
		"an allowed skip":            {`{"Action":"output","Package":"p","Test":"T","Output":"no cgroup v2 here\n"}` + "\n" + `{"Action":"skip","Package":"p","Test":"T"}`, 0, 0},
		"a skip without reason":      {`{"Action":"skip","Package":"p","Test":"T"}`, 1, 0},
		"a package that won't build": {`{"Action":"fail","Package":"p"}`, 1, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := read(strings.NewReader(tt.in), io.Discard, allowed)
			if len(c.bad) != tt.bad || c.passed != tt.pass {
				t.Errorf("got %d bad, %d passed; want %d, %d", len(c.bad), c.passed, tt.bad, tt.pass)
			}
		})
	}
}
