package cmd

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// The scripts, in which NAME stands for the program's name.
var (
	//go:embed completion/bash.sh
	completionBash string
	//go:embed completion/zsh.sh
	completionZsh string
	//go:embed completion/fish.fish
	completionFish string
)

func newCompletion(app *App) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "Print a script that completes command lines in a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: `Prints the script by which the shell completes commands, options and the names
of containers, images, networks, volumes and secrets. make install puts all
three in place.

Examples:
skiff completion bash >/etc/bash_completion.d/skiff
skiff completion zsh >/usr/share/zsh/vendor-completions/_skiff
skiff completion fish >~/.config/fish/completions/skiff.fish`,
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			script := ""
			switch c.Args().First() {
			case "bash":
				script = completionBash
			case "zsh":
				script = completionZsh
			case "fish":
				script = completionFish
			default:
				return usage(fmt.Errorf("no completion for the shell %q: want bash, zsh or fish", c.Args().First()))
			}
			_, err := io.WriteString(app.Out, strings.ReplaceAll(script, "NAME", app.Name))
			return err
		},
	}
}
