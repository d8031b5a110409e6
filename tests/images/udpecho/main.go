// Command udpecho is in the busybox test image, whose nc knows no UDP: it prints
// each datagram with its sender's address and sends it back.
// Usage: udpecho PORT
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "udpecho:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: udpecho PORT")
	}
	conn, err := net.ListenPacket("udp", ":"+args[0])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %s\n", from, buf[:n])
		if _, err := conn.WriteTo(buf[:n], from); err != nil {
			return err
		}
	}
}
