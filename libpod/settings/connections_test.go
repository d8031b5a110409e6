package settings

import (
	"reflect"
	"strings"
	"testing"
)

func TestConnections(t *testing.T) {
	r := newTree(t)
	r.env["CONTAINERS_CONF"] = r.write("c", `
[engine]
active_service = "far"
[engine.service_destinations.far]
uri = "ssh://u@far/run/podman/podman.sock"
identity = "/k"
[engine.service_destinations.both]
uri = "ssh://old"
`)
	r.env["PODMAN_CONNECTIONS_CONF"] = r.write("p", `{"Connection":{"Default":"both","Connections":{"both":{"URI":"ssh://new","Identity":"/n"}}}}`)
	set, err := r.load(0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.source(0).AllConnections(set)
	if err != nil {
		t.Fatal(err)
	}
	want := []Connection{
		{Name: "both", URI: "ssh://new", Identity: "/n", Default: true, ReadWrite: true},
		{Name: "far", URI: "ssh://u@far/run/podman/podman.sock", Identity: "/k"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(set.Warnings) > 0 {
		t.Errorf("warned: %q", set.Warnings)
	}
	r.env["PODMAN_CONNECTIONS_CONF"] = r.write("p", "{")
	if _, err := r.source(0).AllConnections(set); err == nil || !strings.HasPrefix(err.Error(), "cannot read the connections in ") {
		t.Errorf("got %v", err)
	}
}
