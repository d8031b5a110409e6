package registry

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"skiff/tests/images"
)

// TestServe pushes an image to each kind of registry and reads it back.
func TestServe(t *testing.T) {
	archive, err := images.Busybox()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]Options{
		"plain":         {},
		"tls":           {TLS: true},
		"with password": {User: "me", Password: "secret"},
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			r := Start(t, o)
			if err := r.PushArchive(archive, "library/busybox", "1"); err != nil {
				t.Fatal(err)
			}
			resp, err := r.do(http.MethodGet, "/v2/library/busybox/tags/list", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if want := `"tags":["1"]`; !strings.Contains(string(body), want) {
				t.Errorf("the registry lists %s, want %s", body, want)
			}
			if o.User == "" {
				return
			}
			r.o.User = ""
			if err := r.PushArchive(archive, "library/busybox", "2"); err == nil {
				t.Error("a push without password succeeded")
			}
		})
	}
}
