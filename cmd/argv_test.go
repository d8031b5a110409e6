package cmd

import (
	"reflect"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func testFlags() []cli.Flag {
	return []cli.Flag{
		toggle("", "interactive", "i"), toggle("", "tty", "t"), toggle("", "rm"),
		list("", "publish", "p"), list("", "env", "e"), text("", "hostname", "h"),
		number("", "time", "n", "timeout"),
	}
}

func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		name, in      string
		interspersed  bool
		options, rest string
		err           string
	}{
		{"bundled switches", "-it img", true, "--interactive=true --tty=true", "img", ""},
		{"a bundle that ends in a value", "-itp 80:80 img", true, "--interactive=true --tty=true --publish=80:80", "img", ""},
		{"a value joined to its option", "-p8080:80 -eA=b=c img", true, "--publish=8080:80 --env=A=b=c", "img", ""},
		{"a value joined with an equals sign", "-e=A=b img", true, "--env=A=b", "img", ""},
		{"long with and without an equals sign", "--publish 1:1 --publish=2:2", true, "--publish=1:1 --publish=2:2", "", ""},
		{"a switch turned off", "--rm=false", true, "--rm=false", "", ""},
		{"an alias gets its first name", "--timeout 3", true, "--time=3", "", ""},
		{"options after words", "a -i b --rm", true, "--interactive=true --rm=true", "a b", ""},
		{"what follows the image is the container's", "-i img ls -la --rm", false, "--interactive=true", "img ls -la --rm", ""},
		{"two hyphens end the options", "-i -- -x --rm", true, "--interactive=true", "-x --rm", ""},
		{"a hyphen alone is a word", "- -i", true, "--interactive=true", "-", ""},
		{"a negative value", "--time -1 -n -2 -n-3", true, "--time=-1 --time=-2 --time=-3", "", ""},
		{"an unknown option", "--nope", true, "", "", "unknown flag: --nope"},
		{"an unknown letter", "-ix", true, "", "", "unknown shorthand flag: 'x' in -ix"},
		{"one hyphen before a long name", "-rm", true, "", "", "unknown shorthand flag: 'r' in -rm"},
		{"two hyphens before a letter", "--i", true, "", "", "unknown flag: --i"},
		{"a value is missing", "--publish", true, "", "", "flag needs an argument: --publish"},
		{"a letter's value is missing", "-h", true, "", "", "flag needs an argument: 'h' in -h"},
		{"a switch that is neither true nor false", "--rm=x", true, "", "", `invalid argument "x" for "--rm" flag`},
		{"a number that is none", "-n x", true, "", "", `invalid argument "x" for "-n" flag`},
	} {
		w, err := canonical(testFlags(), strings.Fields(c.in), c.interspersed)
		if c.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("%s: %q gave the error %v, want %q", c.name, c.in, err, c.err)
			}
			continue
		}
		got := [2]string{strings.Join(w.options, " "), strings.Join(w.rest, " ")}
		if want := [2]string{c.options, c.rest}; err != nil || got != want {
			t.Errorf("%s: %q gave %q, %v; want %q", c.name, c.in, got, err, want)
		}
	}
}

func TestCanonicalKeepsOddValues(t *testing.T) {
	for _, v := range []string{"", " ", "a,b", "--rm", "-", "x=y=z", "\n", "é"} {
		w, err := canonical(testFlags(), []string{"--env", v, "-e", v}, true)
		if want := []string{"--env=" + v, "--env=" + v}; err != nil || !reflect.DeepEqual(w.options, want) {
			t.Errorf("value %q gave %q, %v; want %q", v, w.options, err, want)
		}
	}
}

func TestCanonicalHelp(t *testing.T) {
	if w, _ := canonical(testFlags(), []string{"-i", "--help"}, true); !w.help {
		t.Error("--help was not recognised")
	}
	if w, _ := canonical(testFlags()[:2], []string{"-h"}, true); !w.help {
		t.Error("-h was not recognised where it is no option")
	}
	if w, _ := canonical(testFlags(), []string{"img", "--help"}, false); w.help {
		t.Error("--help behind the image is the container's")
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("-itp 80 img --x")
	f.Add("--env= -- a")
	f.Fuzz(func(t *testing.T, line string) {
		w, err := canonical(testFlags(), strings.Split(line, " "), true)
		if err != nil {
			return
		}
		// What comes out must mean the same when it is read again.
		again, err := canonical(testFlags(), w.all(), true)
		if err != nil || !reflect.DeepEqual(again.options, w.options) || !reflect.DeepEqual(again.rest, w.rest) && len(w.rest) > 0 {
			t.Fatalf("%q became %q, which became %q, %v", line, w.all(), again.all(), err)
		}
	})
}
