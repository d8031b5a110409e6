package format

import (
	"bytes"
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for _, c := range []struct {
		n           int64
		want, space string
	}{
		{0, "0B", "0 B"}, {999, "999B", "999 B"}, {1000, "1kB", "1 kB"},
		{1234, "1.23kB", "1.23 kB"}, {999499, "999kB", "999 kB"}, {999600, "1MB", "1 MB"},
		{5577000, "5.58MB", "5.58 MB"}, {1 << 40, "1.1TB", "1.1 TB"}, {-2500, "-2.5kB", "-2.5 kB"},
	} {
		if got := Size(c.n); got != c.want {
			t.Errorf("Size(%d) = %q, want %q", c.n, got, c.want)
		}
		if got := SpacedSize(c.n); got != c.space {
			t.Errorf("SpacedSize(%d) = %q, want %q", c.n, got, c.space)
		}
	}
	for n, want := range map[int64]string{67108864: "67.11MB", 999600: "999.6kB", 999960: "1MB", 12: "12B"} {
		if got := FineSize(n); got != want {
			t.Errorf("FineSize(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Hour, "Less than a second"}, {999 * time.Millisecond, "Less than a second"},
		{time.Second, "1 second"}, {59 * time.Second, "59 seconds"}, {61 * time.Second, "About a minute"},
		{2 * time.Minute, "2 minutes"}, {59 * time.Minute, "59 minutes"}, {time.Hour, "About an hour"},
		{100 * time.Minute, "2 hours"}, {47 * time.Hour, "47 hours"}, {48 * time.Hour, "2 days"},
		{14 * 24 * time.Hour, "2 weeks"}, {60 * 24 * time.Hour, "2 months"}, {730 * 24 * time.Hour, "2 years"},
	} {
		if got := Duration(c.d); got != c.want {
			t.Errorf("Duration(%v) = %q, want %q", c.d, got, c.want)
		}
	}
	if got := Ago(time.Time{}, time.Now()); got != "" {
		t.Errorf("Ago(zero) = %q, want nothing", got)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain über":       "plain über",
		"two\nlines":       `two\nlines`,
		"\x1b[31mred":      `\x1b[31mred`,
		"bad\xffutf":       `bad\xffutf`,
		"turned\u202eback": `turned\u202eback`,
		"\u009b1m":         `\u009b1m`,
		"replaced \ufffd":  "replaced \ufffd",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

type row struct {
	Name   string
	Labels map[string]string
}

func (r row) ID() string              { return "0123456789abcdef" }
func (r row) CreatedAt() string       { return "now" }
func (r row) Label(key string) string { return r.Labels[key] }

func TestTable(t *testing.T) {
	cols := []Column[row]{{"NAME", func(r row) string { return r.Name }}, {"ID", row.ID}}
	rows := []row{{Name: "a"}, {Name: "a-rather-long-name"}, {Name: "ev\til"}}
	for _, c := range []struct {
		style   Style
		heading bool
		want    string
	}{
		{Podman, true, "NAME                ID\na                   0123456789abcdef\na-rather-long-name  0123456789abcdef\nev\\til              0123456789abcdef\n"},
		{Docker, false, "a                    0123456789abcdef\na-rather-long-name   0123456789abcdef\nev\\til               0123456789abcdef\n"},
	} {
		var b bytes.Buffer
		if err := Table(&b, c.style, cols, rows, c.heading); err != nil || b.String() != c.want {
			t.Errorf("style %v: got %v\n%s\nwant\n%s", c.style, err, b.String(), c.want)
		}
	}
}

func TestRows(t *testing.T) {
	rows := []row{{"web", map[string]string{"com.example.my-key": "v"}}, {"db", nil}}
	for _, c := range []struct {
		name, format string
		style        Style
		want         string
	}{
		{"a plain field", "{{.Name}}", Podman, "web\ndb\n"},
		{"escapes", `{{.Name}}\t{{.ID}}`, Podman, "web\t0123456789abcdef\ndb\t0123456789abcdef\n"},
		{"a line's end of its own", `{{.Name}}\n`, Podman, "web\ndb\n"},
		{"functions", `{{upper .Name}}-{{truncate .ID 3}}-{{.Name | title}}`, Docker, "WEB-012-Web\nDB-012-Db\n"},
		{"json", `{{json .}}`, Docker, `{"Name":"web","Labels":{"com.example.my-key":"v"}}` + "\n" + `{"Name":"db","Labels":null}` + "\n"},
		{"a walk of its own", `{{range .}}{{.Name}},{{end}}`, Podman, "web,db,"},
		{"a table whose spaces align", "table {{.Name}} {{ .CreatedAt }}", Podman, "NAME        CREATED AT\nweb         now\ndb          now\n"},
		{"docker's table aligns tabs only", `table {{.Name}} {{.ID}}\t{{.CreatedAt}}`, Docker, "NAME CONTAINER ID      CREATED AT\nweb 0123456789abcdef   now\ndb 0123456789abcdef    now\n"},
		{"a label's heading", `table {{.Name}}\t{{.Label "com.example.my-key"}}`, Docker, "NAME      my key\nweb       v\ndb        \n"},
		{"escapes in an action", `{{.Name}}{{"\n"}}`, Podman, "web\n\ndb\n\n"},
		{"a conditional column", `table {{if .Name}}{{.Name}}{{else}}<none>{{end}} {{.ID | upper}}`, Podman, "NAME        CONTAINER ID\nweb         0123456789ABCDEF\ndb          0123456789ABCDEF\n"},
		{"a string with a space in a table", `table {{.Name}} {{printf "a b"}}`, Podman, "NAME        \nweb         a b\ndb          a b\n"},
	} {
		tmpl, err := ParseTemplate(c.format, c.style)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var b bytes.Buffer
		if err := Rows(&b, tmpl, rows, map[string]string{"ID": "CONTAINER ID"}, true); err != nil || b.String() != c.want {
			t.Errorf("%s: %q: got %v\n%q\nwant\n%q", c.name, c.format, err, b.String(), c.want)
		}
	}
}

func TestBadFormatIsRefused(t *testing.T) {
	if _, err := ParseTemplate("{{.Name", Podman); err == nil {
		t.Error("an open action was accepted")
	}
	tmpl, err := ParseTemplate("x{{.Nope}}", Podman)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Rows(&b, tmpl, []row{{}}, nil, true); err == nil || b.Len() != 0 {
		t.Errorf("an unknown field: error %v, output %q; want an error and no output", err, b.String())
	}
}

func TestDocumentKnowsOtherNames(t *testing.T) {
	doc := struct {
		Id    string
		Ports map[string][]struct{ HostIp string }
	}{"abc", map[string][]struct{ HostIp string }{"80/tcp": {{"1.2.3.4"}}}}
	for format, want := range map[string]string{
		"{{.Id}}": "abc\n",
		"{{.ID}}": "abc\n",
		`{{(index (index .Ports "80/tcp") 0).HostIP}}`:                             "1.2.3.4\n",
		`{{range $p, $c := .Ports}}{{$p}}={{range $c}}{{.HostIP}}{{end}}\n{{end}}`: "80/tcp=1.2.3.4\n",
	} {
		tmpl, err := ParseTemplate(format, Podman)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := tmpl.Document(&b, doc); err != nil || b.String() != want {
			t.Errorf("%s: got %v %q, want %q", format, err, b.String(), want)
		}
	}
}

func TestYAML(t *testing.T) {
	doc := map[string]any{
		"b": map[string]any{"n": 12, "s": "12", "empty": map[string]any{}, "none": nil},
		"a": []any{"x", map[string]any{"k": "v", "l": true}, "yes", "a: b", "-x", "it's"},
		"c": "one\ntwo",
		"d": []string{},
	}
	want := `a:
- x
- k: v
  l: true
- 'yes'
- 'a: b'
- '-x'
- it's
b:
  empty: {}
  "n": 12
  none: null
  s: '12'
c: |-
  one
  two
d: []
`
	want = string(bytes.ReplaceAll([]byte(want), []byte(`"n"`), []byte(`'n'`)))
	var b bytes.Buffer
	if err := YAML(&b, doc); err != nil || b.String() != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, b.String(), want)
	}
}

func TestIsJSON(t *testing.T) {
	for in, want := range map[string]bool{"json": true, "{{json .}}": true, "{{json .ID}}": false, "": false} {
		if got := IsJSON(in); got != want {
			t.Errorf("IsJSON(%q) = %v", in, got)
		}
	}
}
