package jsonfile_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/state/jsonfile"
)

// members gives the object's members as name=value lines.
func members(data string) (string, bool) {
	var b strings.Builder
	ok := jsonfile.Members([]byte(data), func(name, value []byte) bool {
		b.WriteString(string(name) + "=" + string(value) + "\n")
		return true
	})
	return b.String(), ok
}

func TestMembers(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{`{}`, ""},
		{" {\n} \n", ""},
		{`{"a":1,"b":"x"}` + "\n", "a=1\nb=\"x\"\n"},
		{`{ "a" : -1.5e3 , "b":true }`, "a=-1.5e3\nb=true\n"},
		{`{"a":{"b":[1,{"c":"}"}],"d":"]"},"e":[]}`, `a={"b":[1,{"c":"}"}],"d":"]"}` + "\ne=[]\n"},
		{`{"a":"\"}\\","b":"\\\\\"","c":null}`, `a="\"}\\"` + "\n" + `b="\\\\\""` + "\nc=null\n"},
		{`{"":"é"}`, "=\"é\"\n"},
	} {
		if got, ok := members(c.data); !ok || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.data, got, ok, c.want)
		}
	}
	for _, data := range []string{
		``, ` `, `[]`, `"a"`, `{`, `{"a"`, `{"a":`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":"`, `{"a":"\"}`,
		`{"a":[1}`, `{"a":{"b":1}`, `{"a":1}}`, `{"a":1}x`, `{a:1}`, `{"a\n":1}`, `{"a":,"b":1}`, `{"a":]}`,
	} {
		if got, ok := members(data); ok {
			t.Errorf("%q was taken for an object with %q", data, got)
		}
	}
}

func TestMembersStopsWhenTold(t *testing.T) {
	n := 0
	if jsonfile.Members([]byte(`{"a":1,"b":2,"c":3}`), func([]byte, []byte) bool { n++; return n < 2 }) || n != 2 {
		t.Errorf("saw %d members, want 2 and false", n)
	}
}

func TestText(t *testing.T) {
	for value, want := range map[string]string{
		`"plain"`: "plain", `""`: "", `"a\"b\u00e9\n"`: "a\"bé\n", `"é"`: "é", "\"\xff\"": "\ufffd", `null`: "was",
	} {
		got := "was"
		if !jsonfile.Text([]byte(value), &got) || got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
	for _, value := range []string{``, `"`, `1`, `"a`, `a"`, `"a"b"`, "\"\n\"", `"\x"`, `["a"]`} {
		var got string
		if jsonfile.Text([]byte(value), &got) {
			t.Errorf("%q was taken for the string %q", value, got)
		}
	}
}

func TestTexts(t *testing.T) {
	for value, want := range map[string][]string{
		`["a"]`: {"a"}, `["a","b c",""]`: {"a", "b c", ""}, `[ "a" , "\u00e9" ]`: {"a", "é"}, `["\"]","["]`: {"\"]", "["},
		`[]`: {}, `null`: nil, `[null]`: {""},
	} {
		var got []string
		if !jsonfile.Texts([]byte(value), &got) || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
	for _, value := range []string{``, `[`, `]`, `["a"`, `["a",`, `["a",]`, `["a"]]`, `["a" "b"]`, `["a"]x`, `"a"`, `[1]`, `,"a"]`, `["a"["b"]`, `{"a"}`} {
		var got []string
		if jsonfile.Texts([]byte(value), &got) {
			t.Errorf("%q was taken for the list %q", value, got)
		}
	}
}

func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":["x",{"y":"\\\""}]}`, `{"a":"\u00e9","a":null}`, `{"a":tru}`, `{"a":[}]`, "{\"\x00\":0}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string]json.RawMessage{}
		ok := jsonfile.Members(data, func(name, value []byte) bool {
			if len(value) == 0 {
				t.Errorf("%q: an empty value", data)
			}
			got[string(name)] = value
			var mine, want string
			text := jsonfile.Text(value, &mine)
			if err := json.Unmarshal(value, &want); text != (err == nil) || text && mine != want {
				t.Errorf("%q: Text gives %q, %v; encoding/json %q, %v", value, mine, text, want, err)
			}
			var all, wantAll []string
			list := jsonfile.Texts(value, &all)
			if err := json.Unmarshal(value, &wantAll); list != (err == nil) || list && !slices.Equal(all, wantAll) {
				t.Errorf("%q: Texts gives %q, %v; encoding/json %q, %v", value, all, list, wantAll, err)
			}
			return true
		})
		var want map[string]json.RawMessage
		if err := json.Unmarshal(data, &want); err != nil || !ok || want == nil {
			return
		}
		for name, value := range want {
			// encoding/json mends names that are not UTF-8.
			if mine, ok := got[name]; string(mine) != string(value) && !strings.Contains(name, "\ufffd") {
				t.Errorf("%q: %q is %q, %v, want %q", data, name, mine, ok, value)
			}
		}
	})
}

func TestReadAtReadsTheWholeFile(t *testing.T) {
	dir := t.TempDir()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var buf []byte
	for _, size := range []int{1 << 20, 1, 4095, 4096, 4097, 8192, 70000} {
		want := strings.Repeat("0123456789", size/10+1)[:size]
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if buf, err = jsonfile.ReadAt(int(d.Fd()), "f", buf); err != nil || string(buf) != want {
			t.Errorf("%d bytes: got %d bytes, %v", size, len(buf), err)
		}
	}
}

func TestReadAtKeepsTheErrorsOfRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, missing := range map[string]bool{"none": true, "empty": true, "link": false} {
		_, err := jsonfile.ReadAt(unix.AT_FDCWD, filepath.Join(dir, name), nil)
		if err == nil || errors.Is(err, os.ErrNotExist) != missing || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
