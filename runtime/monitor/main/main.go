// The monitor program: one process for each running container.
package main

import (
	"os"

	"skiff/runtime/monitor"
)

func main() { os.Exit(monitor.Main()) }
