// Command serve runs a test registry until it is interrupted and prints its
// address. Arguments put images into it.
// Usage: serve [-storage DIR] [-tls] [-user NAME -password WORD] [NAME:TAG=ARCHIVE]…
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"skiff/tests/registry"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run() error {
	var o registry.Options
	dir := flag.String("storage", "", "where to keep the data (default: a temporary directory)")
	flag.BoolVar(&o.TLS, "tls", false, "serve https")
	flag.StringVar(&o.User, "user", "", "ask for this user")
	flag.StringVar(&o.Password, "password", "", "and this password")
	flag.Parse()
	if *dir == "" {
		tmp, err := os.MkdirTemp("", "registry-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		*dir = tmp
	}
	r, err := registry.Serve(*dir, o)
	if err != nil {
		return err
	}
	defer r.Stop()
	for _, arg := range flag.Args() {
		image, archive, ok := strings.Cut(arg, "=")
		name, tag, tagged := strings.Cut(image, ":")
		if !ok || !tagged {
			return fmt.Errorf("expected NAME:TAG=ARCHIVE, not %q", arg)
		}
		if err := r.PushArchive(archive, name, tag); err != nil {
			return err
		}
	}
	fmt.Println(r.Host)
	if r.CertDir != "" {
		fmt.Println(r.CertDir)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
	return nil
}
