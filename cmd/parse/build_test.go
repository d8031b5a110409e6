package parse

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"skiff/rootfs/imagecall"
)

func show(v any, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return strings.TrimPrefix(fmt.Sprintf("%+v", v), "")
}

func TestOutput(t *testing.T) {
	for in, want := range map[string]string{
		"out":                         "{Type:local Attrs:map[dest:/cwd/out]}",
		"-":                           "{Type:tar Attrs:map[dest:-]}",
		"type=tar":                    "{Type:tar Attrs:map[dest:-]}",
		"type=oci,dest=x.tar":         "{Type:oci Attrs:map[dest:/cwd/x.tar]}",
		"type=local,dest=/abs":        "{Type:local Attrs:map[dest:/abs]}",
		"type=docker":                 "{Type:docker Attrs:map[]}",
		"type=image,name=a,push=true": "{Type:image Attrs:map[name:a push:true]}",
		"type=registry,\"name=a,b\"":  "{Type:registry Attrs:map[name:a,b]}",
		"Type=TAR,Dest=a":             "{Type:tar Attrs:map[dest:/cwd/a]}",
		"":                            `error: invalid output "": it is empty`,
		"type=local":                  `error: invalid output "type=local": type=local needs dest=DIRECTORY`,
		"dest=x":                      `error: invalid output "dest=x": type is not given`,
		"type=cloud":                  `error: invalid output "type=cloud": unknown type "cloud": want local, tar, oci, docker, image or registry`,
		"type=tar,dest=a,dest=b":      `error: invalid output "type=tar,dest=a,dest=b": "dest" is given twice`,
		"type=tar,x":                  `error: invalid output "type=tar,x": "x" is not name=value`,
		"type=image,dest=x":           `error: invalid output "type=image,dest=x": type=image has no dest`,
		"type=tar\ntype=tar":          "error: invalid output \"type=tar\\ntype=tar\": it has more than one line",
	} {
		if got := show(Output(in, "/cwd")); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestCaches(t *testing.T) {
	for in, want := range map[string]string{
		"user/app:cache":      "[{Type:registry Attrs:map[ref:user/app:cache]}]",
		"a,b":                 "[{Type:registry Attrs:map[ref:a]} {Type:registry Attrs:map[ref:b]}]",
		"type=registry,ref=a": "[{Type:registry Attrs:map[ref:a]}]",
		"type=local,src=dir":  "[{Type:local Attrs:map[src:/cwd/dir]}]",
		"type=local":          `error: invalid cache source "type=local": type=local needs src=DIRECTORY`,
		"type=registry":       `error: invalid cache source "type=registry": type=registry needs ref=IMAGE`,
		"type=gha":            `error: invalid cache source "type=gha": unknown type "gha": want registry, local`,
		"":                    `error: invalid cache source "": want the name of an image or type=…`,
	} {
		if got := show(CacheFrom(in, "/cwd")); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"type=local,dest=dir,mode=max": "[{Type:local Attrs:map[dest:/cwd/dir mode:max]}]",
		"type=inline":                  "[{Type:inline Attrs:map[]}]",
		"type=local,dest=a,mode=most":  `error: invalid cache destination "type=local,dest=a,mode=most": unknown mode "most": want min or max`,
	} {
		if got := show(CacheTo(in, "/cwd")); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestBuildSecret(t *testing.T) {
	has := func(n string) bool { return n == "TOKEN" }
	for in, want := range map[string]string{
		"id=a,src=f":          "{ID:a File:/cwd/f Env:}",
		"id=a,source=/f":      "{ID:a File:/f Env:}",
		"src=dir/f":           "{ID:f File:/cwd/dir/f Env:}",
		"id=a,env=X":          "{ID:a File: Env:X}",
		"env=X":               "{ID:X File: Env:X}",
		"id=TOKEN":            "{ID:TOKEN File: Env:TOKEN}",
		"id=other":            "{ID:other File:/cwd/other Env:}",
		"id=a,type=env":       "{ID:a File: Env:a}",
		"id=a,src=X,type=env": "{ID:a File: Env:X}",
		"type=file,id=TOKEN":  "{ID:TOKEN File:/cwd/TOKEN Env:}",
		"":                    `error: invalid secret "": want name=value words with commas between`,
		"src=":                `error: invalid secret "src=": id is not given`,
		"id=a,src=f,env=X":    `error: invalid secret "id=a,src=f,env=X": src and env cannot be set together`,
		"id=a,kind=f":         `error: invalid secret "id=a,kind=f": unknown word "kind": want id, src, env or type`,
		"id=a,type=vault":     `error: invalid secret "id=a,type=vault": unknown type "vault": want file or env`,
		"a":                   `error: invalid secret "a": "a" is not name=value`,
	} {
		if got := show(BuildSecret(in, "/cwd", has)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestBuildSSHAndContext(t *testing.T) {
	for in, want := range map[string]string{
		"default":      "{ID:default Paths:[]}",
		"a=key1,/key2": "{ID:a Paths:[/cwd/key1 /key2]}",
		"":             "{ID:default Paths:[]}",
		"a=":           `error: invalid ssh "a=": the path of a key or socket is empty`,
		"a,b":          `error: invalid ssh "a,b": want ID[=SOCKET|KEY[,KEY…]]`,
	} {
		if got := show(BuildSSH(in, "/cwd")); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"Lib=../lib":                "lib /lib",
		"a=docker-image://alpine:3": "a docker-image://alpine:3",
		"a=oci-layout://dir:tag":    "a oci-layout:///cwd/dir:tag",
		"a=target:build":            "a target:build",
		"a=https://x/y.git":         "a https://x/y.git",
		"a=git@host:x":              "a git@host:x",
		"a":                         `error: invalid build context "a": want NAME=SOURCE`,
		"=b":                        `error: invalid build context "=b": want NAME=SOURCE`,
	} {
		name, source, err := BuildContext(in, "/cwd")
		got := name + " " + source
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestBuildCall(t *testing.T) {
	for in, want := range map[string]string{
		"check": "check false", "lint,format=json": "check true", "build": " false", "outline": "outline false",
		"x": "error", "check,y": "error", "": "error", "format=json": "error",
	} {
		call, json, err := BuildCall(in)
		got := fmt.Sprintf("%s %v", call, json)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %s (%v), want %s", in, got, err, want)
		}
	}
}

// FuzzBuildWords: what is taken has a type that is known and absolute paths.
func FuzzBuildWords(f *testing.F) {
	for _, s := range []string{"type=local,dest=x", "-", "a,b", "id=a,src=b", "default=k,l", "n=oci-layout://x", `type=tar,"dest=a,b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := Output(s, "/cwd"); err == nil {
			if d := p.Attrs["dest"]; d != "" && d != "-" && !filepath.IsAbs(d) {
				t.Errorf("%q: dest %q is not absolute", s, d)
			}
		}
		for _, read := range []func(string, string) ([]imagecall.Place, error){CacheFrom, CacheTo} {
			list, err := read(s, "/cwd")
			if err == nil && (len(list) == 0 || list[0].Type == "") {
				t.Errorf("%q: got %v", s, list)
			}
		}
		if b, err := BuildSecret(s, "/cwd", func(string) bool { return false }); err == nil {
			if b.ID == "" || (b.File == "") == (b.Env == "") || b.File != "" && !filepath.IsAbs(b.File) {
				t.Errorf("%q: got %+v", s, b)
			}
		}
		if b, err := BuildSSH(s, "/cwd"); err == nil && b.ID == "" {
			t.Errorf("%q: got %+v", s, b)
		}
		if name, source, err := BuildContext(s, "/cwd"); err == nil && (name == "" || source == "") {
			t.Errorf("%q: got %q, %q", s, name, source)
		}
		if _, _, err := BuildCall(s); err == nil && reflect.DeepEqual(s, "") {
			t.Errorf("nothing was taken")
		}
	})
}
