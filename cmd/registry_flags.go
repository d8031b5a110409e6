package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"skiff/libpod"
	"skiff/rootfs/imagecall"
)

// registryFlags are the options of every command that talks to a registry.
func registryFlags() []cli.Flag {
	return []cli.Flag{
		text("File with the registries' credentials", "authfile"),
		text("Directory with the TLS certificates and keys to use", "cert-dir"),
		&cli.BoolFlag{Name: "tls-verify", Value: true, Usage: "Require HTTPS and check certificates"},
	}
}

// credsFlag gives credentials for one command.
func credsFlag() cli.Flag { return text("Use `USERNAME[:PASSWORD]` at the registry", "creds") }

// retryFlags show the defaults that containers.conf sets.
func retryFlags(app *App, what string) []cli.Flag {
	count, delay := 3, ""
	if app.Engine == nil {
		// Only the names of the options are asked for.
	} else if e, err := app.Engine(); err == nil { // an error is reported when the command runs
		if set := e.Settings.Engine; set.Retry != nil {
			count = *set.Retry
		}
		if set := e.Settings.Engine; set.RetryDelay != nil {
			delay = fmt.Sprintf(" (default %q)", *set.RetryDelay)
		}
	}
	return []cli.Flag{
		number(fmt.Sprintf("Number of times to retry in case of failure when performing %s (default %d)", what, count), "retry"),
		text(fmt.Sprintf("Delay between retries in case of %s failures%s", what, delay), "retry-delay"),
	}
}

// accessible refuses a file with credentials that --authfile names and that the
// caller cannot read. The message is Podman's.
func accessible(file string) error {
	if file == "" {
		return nil
	}
	if err := unix.Faccessat(unix.AT_FDCWD, file, unix.R_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("credential file is not accessible: faccessat %s: %w", file, err)
	}
	return nil
}

// registryRequest fills in what registryFlags, credsFlag and retryFlags say.
func registryRequest(app *App, c *cli.Context, req *imagecall.Request) error {
	req.AuthFile, req.CertDir = c.String("authfile"), c.String("cert-dir")
	if req.Op != imagecall.OpLogin {
		if err := accessible(req.AuthFile); err != nil {
			return err
		}
	}
	if c.IsSet("tls-verify") {
		v := c.Bool("tls-verify")
		req.TLSVerify = &v
	}
	if creds := c.String("creds"); creds != "" {
		var err error
		if req.Username, req.Password, err = userAndPassword(app, creds); err != nil {
			return err
		}
	}
	return retryRequest(app, c, req)
}

// userAndPassword reads USERNAME[:PASSWORD] and asks for a password that is not there.
func userAndPassword(app *App, creds string) (user, password string, err error) {
	user, password, given := strings.Cut(creds, ":")
	if user == "" {
		return "", "", usagef("invalid credentials %q: the user name is empty", creds)
	}
	if !given {
		password, err = askPassword(app)
	}
	return user, password, err
}

func retryRequest(app *App, c *cli.Context, req *imagecall.Request) error {
	e, err := app.Engine()
	if err != nil {
		return err
	}
	set := e.Settings
	req.Retry = set.Engine.Retry
	if c.IsSet("retry") {
		n := c.Int("retry")
		if n < 0 {
			return usagef("invalid value %d for --retry: want 0 or more", n)
		}
		req.Retry = &n
	}
	if set.Engine.RetryDelay != nil {
		req.RetryDelay = set.Engine.RetryDelay.String()
	}
	if s := c.String("retry-delay"); s != "" {
		if _, err := time.ParseDuration(s); err != nil {
			return usage(err)
		}
		req.RetryDelay = s
	}
	return nil
}

// pullRetry fills in how the pull of run and create is tried again.
func pullRetry(app *App, c *cli.Context, req *libpod.CreateRequest) error {
	var call imagecall.Request
	err := retryRequest(app, c, &call)
	req.Retry, req.RetryDelay = call.Retry, call.RetryDelay
	return err
}

// platformFlags choose among the images of an index.
func platformFlags() []cli.Flag {
	return []cli.Flag{
		text("Take the image for this `OS/ARCH[/VARIANT]`", "platform"),
		text("Take the image for this architecture", "arch"),
		text("Take the image for this operating system", "os"),
		text("Take the image for this variant of the architecture", "variant"),
	}
}

// platform joins platformFlags; empty is this machine's.
func platform(c *cli.Context, machine string) (string, error) {
	system, arch, variant := c.String("os"), c.String("arch"), c.String("variant")
	parts := system != "" || arch != "" || variant != ""
	if p := c.String("platform"); p != "" || !parts {
		if parts {
			return "", errors.New("--platform option can not be specified with --arch or --os")
		}
		return p, nil
	}
	if system == "" {
		system = "linux"
	}
	if arch == "" {
		arch = machine
	}
	return strings.TrimSuffix(system+"/"+arch+"/"+variant, "/"), nil
}

// askPassword asks at the terminal, without showing what is typed.
func askPassword(app *App) (string, error) {
	if !isTerminal(app.In) {
		return "", errors.New("cannot ask for the password without a terminal: use --password-stdin")
	}
	fmt.Fprint(app.Err, "Password: ")
	password, err := term.ReadPassword(int(app.In.Fd()))
	fmt.Fprintln(app.Err)
	if err != nil {
		return "", fmt.Errorf("cannot read the password: %w", err)
	}
	return string(password), nil
}

// streams are the command's own, for an image operation.
func (app *App) streams() libpod.Streams {
	return libpod.Streams{In: app.In, Out: file(app.Out), Err: file(app.Err)}
}

func file(w io.Writer) *os.File {
	f, _ := w.(*os.File)
	return f
}

// callImages has an image operation done. What it could not do is an error,
// next to the result of what it could.
func callImages(app *App, c *cli.Context, req imagecall.Request, s libpod.Streams) (imagecall.Result, error) {
	e, err := app.Engine()
	if err != nil {
		return imagecall.Result{}, err
	}
	res, err := e.ImageCall(c.Context, req, s)
	if err != nil {
		return res, err
	}
	return res, errors.Join(libpod.ToolErrors(res)...)
}
