package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"skiff/rootfs/imagecall"
	registry "skiff/tests/registry"
)

const (
	ociIndexType = "application/vnd.oci.image.index.v1+json"
	ociImageType = "application/vnd.oci.image.manifest.v1+json"
)

// liar is a registry that serves what no honest one would: manifests by their tags.
func liar(t *testing.T, manifests map[string]string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		_, tag, ok := strings.Cut(r.URL.Path, "/manifests/")
		text, known := manifests[tag]
		if !ok || !known {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", ociIndexType)
		if !strings.Contains(text, `"manifests"`) {
			w.Header().Set("Content-Type", ociImageType)
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// entryOf describes an instance.
func entryOf(digest, mime string, size int) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":"amd64"}}`, mime, digest, size)
}

func indexOf(entries ...string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, ociIndexType, strings.Join(entries, ","))
}

func TestHostileIndexes(t *testing.T) {
	tl := newTool(t)
	zero := "sha256:" + strings.Repeat("0", 64)
	var many []string
	for i := range 1000 {
		many = append(many, entryOf(fmt.Sprintf("sha256:%064x", i), ociImageType, 10))
	}
	inner := indexOf()
	cases := map[string]struct{ index, want string }{
		"path":    {indexOf(entryOf("sha256:../../../../etc/passwd", ociImageType, 10)), "invalid digest"},
		"short":   {indexOf(entryOf("sha256:00", ociImageType, 10)), "invalid digest"},
		"empty":   {indexOf(entryOf("", ociImageType, 10)), "invalid digest"},
		"weak":    {indexOf(entryOf("md5:d41d8cd98f00b204e9800998ecf8427e", ociImageType, 10)), "invalid digest"},
		"long":    {indexOf(entryOf(strings.Repeat("x", 100000), ociImageType, 10)), "invalid digest"},
		"huge":    {indexOf(entryOf(zero, ociImageType, 1<<40)), "1099511627776 bytes"},
		"minus":   {indexOf(entryOf(zero, ociImageType, -1)), "-1 bytes"},
		"nested":  {indexOf(entryOf(zero, ociIndexType, 10)), "index of indexes"},
		"hidden":  {indexOf(entryOf(registry.Digest([]byte(inner)), ociImageType, len(inner))), "index"},
		"twice":   {indexOf(entryOf(zero, ociImageType, 10), entryOf(zero, ociImageType, 10)), "twice"},
		"many":    {indexOf(many...), "1000 images"},
		"missing": {indexOf(entryOf(zero, ociImageType, 10)), "manifest"},
		"deep":    {strings.Repeat(`{"manifests":[`, 20000), "it is damaged"},
		"large":   {indexOf() + strings.Repeat(" ", 5<<20), "exceeded maximum"},
		"other":   {indexOf(entryOf(registry.Digest([]byte("lie")), ociImageType, 10)), "does not match"},
	}
	manifests := map[string]string{registry.Digest([]byte(inner)): inner, registry.Digest([]byte("lie")): `{"schemaVersion":2,"config":{},"layers":[]}`}
	for tag, c := range cases {
		manifests[tag] = c.index
	}
	host := liar(t, manifests)
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate}, "list"))
	before := tl.lookup(t, "list").Digest
	for tag, c := range cases {
		req := indexCall(imagecall.Index{Do: imagecall.IndexAdd, All: true}, "list", host+"/evil:"+tag)
		req.Retry = new(int)
		res := tl.call(t, req)
		if len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Message, c.want) {
			t.Errorf("%s: got %.300s, want %q", tag, fmt.Sprint(res), c.want)
			continue
		}
		if m := res.Failures[0].Message; strings.Contains(m, "\n") || len(m) > 700 {
			t.Errorf("%s: the message is not a short line: %q", tag, m)
		}
		t.Logf("%s: %s", tag, res.Failures[0].Message)
		if res := tl.call(t, indexCall(imagecall.Index{Do: imagecall.IndexInspect}, host+"/evil:"+tag)); len(res.Failures) == 1 && strings.Contains(res.Failures[0].Message, "\n") {
			t.Errorf("%s: inspect: %q", tag, res.Failures[0].Message)
		}
	}
	if got := tl.lookup(t, "list").Digest; got != before {
		t.Errorf("the list has changed from %s to %s", before, got)
	}
}
