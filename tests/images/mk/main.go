// Command mk makes the test images and prints the paths of their archives.
// Usage: mk [busybox] [httpd] [debian]
package main

import (
	"fmt"
	"os"

	"skiff/tests/images"
)

func main() {
	makers := map[string]func() (string, error){"busybox": images.Busybox, "httpd": images.Httpd, "debian": images.Debian}
	names := os.Args[1:]
	if len(names) == 0 {
		names = []string{"busybox", "httpd"}
	}
	for _, name := range names {
		mk, ok := makers[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "mk: no test image %q\n", name)
			os.Exit(2)
		}
		path, err := mk()
		if err != nil {
			fmt.Fprintln(os.Stderr, "mk:", err)
			os.Exit(1)
		}
		fmt.Println(path)
	}
}
