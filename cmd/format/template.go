package format

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"
)

// Template is a parsed --format value.
type Template struct {
	tmpl  *template.Template
	table bool
	// whole is set where the template walks over the rows itself.
	whole bool
	style Style
}

// ParseTemplate parses a --format value: a Go template, with the word "table"
// in front for aligned columns with headings. \t and \n outside of {{ }} are a tab
// and a line's end, inside they are what Go makes of them. In Podman's style spaces
// between the columns of a table align too.
func ParseTemplate(format string, style Style) (*Template, error) {
	t := &Template{style: style}
	body := format
	if rest, ok := strings.CutPrefix(format, "table"); ok && (rest == "" || rest[0] == ' ' || strings.HasPrefix(rest, `\t`) || rest[0] == '\t') {
		t.table = true
		body = strings.TrimLeft(strings.TrimPrefix(rest, `\t`), " \t")
	}
	body = outsideActions(body, strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace)
	if t.table && style == Podman {
		body = spacesToTabs(body)
	}
	if style == Podman {
		body = strings.TrimSuffix(body, "\n")
	}
	trimmed := strings.TrimSpace(body)
	t.whole = strings.HasPrefix(trimmed, "{{range") || strings.HasPrefix(trimmed, "{{ range")
	tmpl, err := template.New("").Funcs(funcs()).Parse(body)
	if err != nil {
		return nil, fmt.Errorf("cannot understand the format %q: %s", format, reason(err))
	}
	t.tmpl = tmpl
	return t, nil
}

// Table reports whether the format began with the word "table".
func (t *Template) Table() bool { return t.table }

// reason is a template error without the name that we did not give it.
func reason(err error) string { return strings.TrimPrefix(err.Error(), "template: :") }

// spacesToTabs makes each run of spaces outside of {{ }} a tab.
func spacesToTabs(s string) string {
	return outsideActions(s, func(s string) string {
		var b strings.Builder
		for i, r := range s {
			if r == ' ' && i > 0 && s[i-1] == ' ' {
				continue
			}
			if r == ' ' {
				r = '\t'
			}
			b.WriteRune(r)
		}
		return b.String()
	})
}

// outsideActions changes the parts of a template that are not within {{ }}.
func outsideActions(s string, change func(string) string) string {
	var b strings.Builder
	for s != "" {
		i := strings.Index(s, "{{")
		if i < 0 {
			i = len(s)
		}
		b.WriteString(change(s[:i]))
		s = s[i:]
		if s == "" {
			break
		}
		j := strings.Index(s, "}}")
		if j < 0 {
			j = len(s) - 2
		}
		b.WriteString(s[:j+2])
		s = s[j+2:]
	}
	return b.String()
}

// Rows prints every row by the template, each on its own line; in a table below
// its headings, unless heading is false. heads names columns whose heading is
// not simply the field's name in capitals.
func Rows[T any](w io.Writer, t *Template, rows []T, heads map[string]string, heading bool) error {
	var buf bytes.Buffer
	if t.table && heading {
		buf.WriteString(headings(t.tmpl.Tree.Root, heads, t.style) + "\n")
	}
	if t.whole {
		if err := t.execute(&buf, rows); err != nil {
			return err
		}
	} else {
		for _, r := range rows {
			if err := t.execute(&buf, r); err != nil {
				return err
			}
			buf.WriteByte('\n')
		}
	}
	if !t.table {
		// Podman aligns what has tabs in it in any case; a program that reads the
		// output wants the tabs, as docker gives them.
		_, err := w.Write(buf.Bytes())
		return err
	}
	text := strings.TrimSuffix(buf.String(), "\n")
	if text == "" {
		return nil
	}
	var lines [][]string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.Split(line, "\t"))
	}
	return align(w, t.style, lines)
}

func (t *Template) execute(buf *bytes.Buffer, v any) error {
	if err := t.tmpl.Execute(buf, v); err != nil {
		return fmt.Errorf("cannot print in this format: %s", reason(err))
	}
	return nil
}

// Document prints one document by the template. Where the template names a
// field that the document does not have, it is tried again with the names that
// docker and podman use for the same thing, such as .ID for .Id.
func (t *Template) Document(w io.Writer, doc any) error {
	var buf bytes.Buffer
	err := t.execute(&buf, doc)
	if err != nil {
		again := template.Must(t.tmpl.Clone())
		rename(again.Tree.Root, aliases)
		buf.Reset()
		other := Template{tmpl: again}
		if other.execute(&buf, doc) != nil {
			return err
		}
	}
	// Docker ends each document with a line's end, whatever the template wrote.
	if n := buf.Len(); t.style == Docker || n == 0 || buf.Bytes()[n-1] != '\n' {
		buf.WriteByte('\n')
	}
	_, err = w.Write(buf.Bytes())
	return err
}

// aliases are other names of a document's fields.
func aliases(name string) string {
	switch name {
	case "ID":
		return "Id"
	case "HostIP":
		return "HostIp"
	case "ImageID":
		return "Image"
	case "Src":
		return "Source"
	case "Dst":
		return "Destination"
	case "OS":
		return "Os"
	case "DNS":
		return "Dns"
	case "HealthCheck":
		return "Healthcheck"
	case "DomainName":
		return "Domainname"
	}
	return name
}

// rename changes the field names of a template in place.
func rename(n parse.Node, to func(string) string) {
	walk(n, func(n parse.Node) {
		switch n := n.(type) {
		case *parse.FieldNode:
			for i := range n.Ident {
				n.Ident[i] = to(n.Ident[i])
			}
		case *parse.ChainNode:
			for i := range n.Field {
				n.Field[i] = to(n.Field[i])
			}
		case *parse.VariableNode:
			for i := 1; i < len(n.Ident); i++ {
				n.Ident[i] = to(n.Ident[i])
			}
		}
	})
}

// walk visits n and everything below it.
func walk(n parse.Node, visit func(parse.Node)) {
	visit(n)
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, c := range n.Nodes {
				walk(c, visit)
			}
		}
	case *parse.ActionNode:
		walk(n.Pipe, visit)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				walk(c, visit)
			}
		}
	case *parse.CommandNode:
		for _, c := range n.Args {
			walk(c, visit)
		}
	case *parse.ChainNode:
		walk(n.Node, visit)
	case *parse.IfNode:
		walkBranch(&n.BranchNode, visit)
	case *parse.RangeNode:
		walkBranch(&n.BranchNode, visit)
	case *parse.WithNode:
		walkBranch(&n.BranchNode, visit)
	}
}

func walkBranch(n *parse.BranchNode, visit func(parse.Node)) {
	walk(n.Pipe, visit)
	walk(n.List, visit)
	if n.ElseList != nil {
		walk(n.ElseList, visit)
	}
}

// headings is a template's line with each action replaced by the heading of the
// field that it shows.
func headings(n parse.Node, heads map[string]string, style Style) string {
	switch n := n.(type) {
	case *parse.ListNode:
		var b strings.Builder
		for _, c := range n.Nodes {
			b.WriteString(headings(c, heads, style))
		}
		return strings.TrimRight(b.String(), "\n")
	case *parse.TextNode:
		return string(n.Text)
	case *parse.ActionNode:
		return heading(n, heads, style)
	case *parse.IfNode:
		return headings(n.List, heads, style)
	case *parse.WithNode:
		return headings(n.List, heads, style)
	case *parse.RangeNode:
		return headings(n.List, heads, style)
	}
	return ""
}

func heading(n *parse.ActionNode, heads map[string]string, style Style) string {
	var field []string
	label := ""
	walk(n, func(n parse.Node) {
		switch n := n.(type) {
		case *parse.FieldNode:
			if field == nil {
				field = n.Ident
			}
		case *parse.StringNode:
			if len(field) == 1 && field[0] == "Label" && label == "" {
				label = n.Text
			}
		}
	})
	if field == nil {
		return ""
	}
	if label != "" {
		label = label[strings.LastIndex(label, ".")+1:]
		label = strings.NewReplacer("-", " ", "_", " ").Replace(label)
		if style == Podman {
			label = strings.ToUpper(label)
		}
		return label
	}
	if h, ok := heads[strings.Join(field, ".")]; ok {
		return h
	}
	last := field[len(field)-1]
	if h, ok := heads[last]; ok {
		return h
	}
	return splitCamel(last)
}

// splitCamel makes CREATED AT of CreatedAt and ID of ID.
func splitCamel(s string) string {
	var b strings.Builder
	prev := rune(0)
	for _, r := range s {
		if unicode.IsUpper(r) && unicode.IsLower(prev) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToUpper(r))
		prev = r
	}
	return b.String()
}
