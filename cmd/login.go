package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"skiff/state"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/rootfs/imagecall"
)

// maxSecret bounds a password from standard input in bytes.
const maxSecret = 1 << 20

func newLogin(app *App) *cli.Command {
	return &cli.Command{
		Name:      "login",
		Usage:     "Store the credentials for a registry",
		ArgsUsage: "[REGISTRY]",
		Description: `Asks for a user name and password, tries them at the registry and stores them.
Without REGISTRY it is the first one of registries.conf, else docker.io.

Examples:
skiff login registry.example.com
skiff login -u me --password-stdin registry.example.com <secret`,
		Flags: append(registryFlags(),
			text("File with the credentials in Docker's format to use instead", "compat-auth-file"),
			toggle("Print the user that is logged in, and do nothing", "get-login"),
			text("Password at the registry", "password", "p"),
			toggle("Read the password from standard input", "password-stdin"),
			text("Take the password from this secret; its name is the user's, if none is given", "secret"),
			text("User name at the registry", "username", "u"),
			toggle("Print where the credentials are stored", "verbose", "v"),
		),
		Action: func(c *cli.Context) error { return login(app, c) },
	}
}

func login(app *App, c *cli.Context) error {
	if c.NArg() > 1 {
		return usagef("login takes at most one registry")
	}
	req := imagecall.Request{
		Op: imagecall.OpLogin, Registry: c.Args().First(), CompatAuthFile: c.String("compat-auth-file"),
		GetLogin: c.Bool("get-login"), Verbose: c.Bool("verbose"), Quiet: true,
	}
	if err := registryRequest(app, c, &req); err != nil {
		return err
	}
	if req.AuthFile != "" && req.CompatAuthFile != "" {
		return usage(errTwoAuthFiles)
	}
	if !req.GetLogin {
		if err := credentials(app, c, &req); err != nil {
			return err
		}
	}
	answer, err := callLogin(app, c, req)
	if err != nil || answer != "" {
		return err
	}
	if err := askCredentials(app, &req); err != nil {
		return err
	}
	_, err = callLogin(app, c, req)
	return err
}

var errTwoAuthFiles = errors.New("options for paths to the credential file and to the Docker-compatible credential file can not be set simultaneously")

// callLogin asks the registry and prints what it says. No answer and no error
// mean that the user is to be asked.
func callLogin(app *App, c *cli.Context, req imagecall.Request) (string, error) {
	s := app.streams()
	s.In, s.Out = nil, nil
	res, err := callImages(app, c, req, s)
	if err == nil && res.Login != "" {
		answer := res.Login
		if app.Docker {
			answer = strings.TrimSuffix(answer, "!")
		}
		fmt.Fprintln(app.Out, answer)
	}
	return res.Login, err
}

// credentials takes what the command line gives, and asks for a password that
// a user name lacks.
func credentials(app *App, c *cli.Context, req *imagecall.Request) error {
	req.Username, req.Password = c.String("username"), c.String("password")
	if name := c.String("secret"); name != "" {
		return secretCredentials(app, c, req, name)
	}
	switch {
	case c.Bool("password-stdin") && req.Password != "":
		return usagef("--password and --password-stdin cannot be used together")
	case c.Bool("password-stdin") && req.Username == "":
		return usagef("must provide --username with --password-stdin")
	case req.Password != "" && req.Username == "":
		return usagef("must provide --username with --password")
	case c.Bool("password-stdin"):
		secret, err := io.ReadAll(io.LimitReader(app.In, maxSecret))
		if err != nil {
			return fmt.Errorf("cannot read the password: %w", err)
		}
		req.Password = strings.TrimRight(string(secret), "\r\n")
	case req.Username != "" && !c.IsSet("password"):
		password, err := askPassword(app)
		if err != nil {
			return err
		}
		req.Password = password
	}
	return nil
}

// secretCredentials takes the password from a secret. Podman: login --secret.
func secretCredentials(app *App, c *cli.Context, req *imagecall.Request, name string) error {
	if c.Bool("password-stdin") || req.Password != "" {
		return usagef("--secret cannot be used together with --password or --password-stdin")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	s, err := e.Secret(name)
	if err != nil {
		return err
	}
	if req.Username == "" {
		req.Username = name
	}
	req.Password = string(s.Data)
	return nil
}

func askCredentials(app *App, req *imagecall.Request) error {
	if !isTerminal(app.In) {
		return fmt.Errorf("cannot ask for a user name without a terminal: use --username and --password-stdin")
	}
	fmt.Fprint(app.Err, "Username: ")
	line, err := bufio.NewReader(app.In).ReadString('\n')
	if err != nil {
		return fmt.Errorf("cannot read the user name: %w", err)
	}
	req.Username = strings.TrimSpace(line)
	if req.Username == "" {
		return fmt.Errorf("cannot log in without a user name")
	}
	req.Password, err = askPassword(app)
	return err
}

func newLogout(app *App) *cli.Command {
	return &cli.Command{
		Name:      "logout",
		Usage:     "Forget the credentials for a registry",
		ArgsUsage: "[REGISTRY]",
		Description: `Removes what login has stored for a registry.

Example:
skiff logout registry.example.com`,
		Flags: []cli.Flag{
			toggle("Forget the credentials for all registries", "all", "a"),
			text("File with the registries' credentials", "authfile"),
			text("File with the credentials in Docker's format to use instead", "compat-auth-file"),
		},
		Action: func(c *cli.Context) error { return logout(app, c) },
	}
}

func logout(app *App, c *cli.Context) error {
	req := imagecall.Request{
		Op: imagecall.OpLogout, Registry: c.Args().First(), All: c.Bool("all"),
		AuthFile: c.String("authfile"), CompatAuthFile: c.String("compat-auth-file"),
	}
	switch {
	case c.NArg() > 1:
		return usagef("logout takes at most one registry")
	case req.All && req.Registry != "":
		return usagef("--all takes no arguments")
	case req.AuthFile != "" && req.CompatAuthFile != "":
		return usage(errTwoAuthFiles)
	}
	if err := accessible(req.AuthFile); err != nil {
		return err
	}
	if app.Docker { // which is content with what was forgotten before
		host := req.Registry
		if host == "" {
			host = "https://index.docker.io/v1/"
		}
		fmt.Fprintln(app.Out, "Removing login credentials for "+host)
	}
	_, err := callLogin(app, c, req)
	if app.Docker && errors.Is(err, state.ErrNotFound) {
		return nil
	}
	return err
}
