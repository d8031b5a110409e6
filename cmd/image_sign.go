package cmd

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/rootfs/imagecall"
)

func newImageSign(app *App) *cli.Command {
	return &cli.Command{
		Name:      "sign",
		Usage:     "Sign images with gpg",
		ArgsUsage: "IMAGE [IMAGE...]",
		Description: `Writes a signature of each image, which is one that is here, or with docker://
before its name one of a registry. policy.json says whose signatures a pull
wants to see.

Example:
skiff image sign --sign-by me@example.com docker://registry.example.com/team/web:1`,
		Flags: append(registryFlags(),
			toggle("Sign each image of an index", "all", "a"),
			text("Write the signatures below this directory", "directory", "d"),
			text("Sign with this key, a fingerprint or an address", "sign-by"),
		),
		Action: func(c *cli.Context) error { return signImages(app, c) },
	}
}

func signImages(app *App, c *cli.Context) error {
	if err := atLeast(c, 1); err != nil {
		return err
	}
	req := imagecall.Request{
		Op: imagecall.OpSign, Images: c.Args().Slice(), All: c.Bool("all"),
		SignBy: c.String("sign-by"), SignDir: c.String("directory"),
	}
	if err := accessible(c.String("authfile")); err != nil {
		return err
	}
	if req.SignBy == "" {
		return usagef("no key to sign with: use --sign-by")
	}
	if req.SignDir != "" {
		if st, err := os.Stat(req.SignDir); err != nil || !st.IsDir() {
			return fmt.Errorf("cannot write signatures to %q: it is not a directory", req.SignDir)
		}
	}
	if err := registryRequest(app, c, &req); err != nil {
		return err
	}
	_, err := callImages(app, c, req, libpod.Streams{})
	return err
}
