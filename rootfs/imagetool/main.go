// The image tool does what needs the registry stack or the image store, for
// one request of the engine (rootfs/imagecall), and ends.
//
// Not here: the work (rootfs/registry, rootfs/archive, rootfs/store).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/store"
)

func main() {
	if store.Reexec() {
		return
	}
	tellUser()
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "skiff image tool:", err)
		os.Exit(125)
	}
}

// serve reads the request, does it and writes the result. Its error is for a
// caller that cannot be answered in the agreed way.
func serve() error {
	in := os.NewFile(imagecall.RequestFD, "request")
	out := os.NewFile(imagecall.ResultFD, "result")
	if in == nil || out == nil {
		return fmt.Errorf("to be started by skiff only")
	}
	syscall.CloseOnExec(imagecall.RequestFD)
	syscall.CloseOnExec(imagecall.ResultFD)
	var req imagecall.Request
	if err := json.NewDecoder(io.LimitReader(in, 16<<20)).Decode(&req); err != nil {
		return fmt.Errorf("cannot read the request: %w", err)
	}
	in.Close()
	if req.Version != imagecall.Version {
		return fmt.Errorf("request of version %d, this program knows %d", req.Version, imagecall.Version)
	}
	setLog(req.LogLevel)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	go func() {
		// The first signal ends the work in order, one more from the terminal the
		// process. The engine's SIGTERM may follow the terminal's SIGINT at once.
		<-ctx.Done()
		signal.Reset(syscall.SIGINT, syscall.SIGHUP)
	}()
	res := do(ctx, &req)
	res.Version = imagecall.Version
	if err := json.NewEncoder(out).Encode(res); err != nil {
		if errors.Is(err, syscall.EPIPE) {
			return nil // whoever asked has gone
		}
		return fmt.Errorf("cannot write the result: %w", err)
	}
	return out.Close()
}

// setLog sets how much the libraries below say. What they report as errors and
// warnings is of their inner workings, and comes back as an error as well.
func setLog(level string) {
	log.SetOutput(io.Discard) // the agent for RUN --mount=type=ssh tells of each refusal
	logrus.SetOutput(os.Stderr)
	logrus.SetLevel(logrus.FatalLevel)
	switch level {
	case "debug", "trace", "info":
		l, err := logrus.ParseLevel(level)
		if err == nil {
			logrus.SetLevel(l)
		}
	}
}
