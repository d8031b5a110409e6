package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSysctlNames(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{
		"net/ipv4/ip_forward", "net/ipv4/conf/eth0.5/forwarding", "net/core/somaxconn", "kernel/shmmax", "kernel/panic",
		"fs/mqueue/msg_max", "fs/file-max", "vm/swappiness",
	} {
		path := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for last, want := range map[string]string{
		"":           "fs.mqueue.msg_max= kernel.shmmax= net.core.somaxconn= net.ipv4.conf.eth0/5.forwarding= net.ipv4.ip_forward=",
		"net.":       "net.core.somaxconn= net.ipv4.conf.eth0/5.forwarding= net.ipv4.ip_forward=",
		"net.ipv4.i": "net.ipv4.ip_forward=",
		"ke":         "kernel.shmmax=",
		"vm.":        "",
		"nosuch":     "",
	} {
		var got []string
		for _, c := range sysctlNames(dir, last).list {
			got = append(got, c.word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", last, strings.Join(got, " "), want)
		}
	}
}
