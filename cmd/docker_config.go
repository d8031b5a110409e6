package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
)

// dockerConfig is what Docker's client reads from config.json, as far as it has a
// meaning here. Docker: "docker CLI configuration file properties".
type dockerConfig struct {
	PsFormat       string `json:"psFormat"`
	ImagesFormat   string `json:"imagesFormat"`
	NetworksFormat string `json:"networksFormat"`
	VolumesFormat  string `json:"volumesFormat"`
	StatsFormat    string `json:"statsFormat"`
	DetachKeys     string `json:"detachKeys"`
	// Proxies are for containers; only those under "default" have a meaning, the
	// other keys are addresses of daemons.
	Proxies map[string]dockerProxy `json:"proxies"`
}

type dockerProxy struct {
	HTTP  string `json:"httpProxy"`
	HTTPS string `json:"httpsProxy"`
	No    string `json:"noProxy"`
	FTP   string `json:"ftpProxy"`
	All   string `json:"allProxy"`
}

// maxDockerConfig bounds config.json, in bytes.
const maxDockerConfig = 1 << 20

// dockerConfig is config.json, where the program is called docker. One that cannot
// be read is told of, and is none.
func (app *App) dockerConfig() dockerConfig {
	if !app.Docker {
		return dockerConfig{}
	}
	if app.clientConfig == nil {
		cfg := app.loadDockerConfig()
		app.clientConfig = &cfg
	}
	return *app.clientConfig
}

func (app *App) loadDockerConfig() (cfg dockerConfig) {
	dir := app.Global.Config
	if dir == "" {
		dir = os.Getenv("DOCKER_CONFIG")
	}
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return cfg
		}
		dir = filepath.Join(home, ".docker")
	}
	file := filepath.Join(dir, "config.json")
	if err := readDockerConfig(file, &cfg); err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(app.Err, "WARNING: Error loading config file: %s: %s\n", file, oneLine(err.Error()))
		return dockerConfig{}
	}
	return cfg
}

func readDockerConfig(file string, cfg *dockerConfig) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return errors.Join(err, errors.New("it is no file"))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxDockerConfig+1))
	if err == nil && len(data) > maxDockerConfig {
		err = fmt.Errorf("it is larger than %d bytes", maxDockerConfig)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(data, cfg)
}

// listFormat is the --format of a list, or what config.json has for that list.
func (app *App) listFormat(c *cli.Context, of func(dockerConfig) string) string {
	if want := c.String("format"); want != "" || !app.Docker {
		return want
	}
	if want := of(app.dockerConfig()); !c.Bool("quiet") {
		return want
	}
	return ""
}

// proxyEnv are the variables that containers get for the proxies of config.json,
// each under both of its names.
func (cfg dockerConfig) proxyEnv() []string {
	p := cfg.Proxies["default"]
	var env []string
	for _, v := range [][2]string{
		{"HTTP_PROXY", p.HTTP}, {"HTTPS_PROXY", p.HTTPS}, {"NO_PROXY", p.No}, {"FTP_PROXY", p.FTP}, {"ALL_PROXY", p.All},
	} {
		if v[1] != "" {
			env = append(env, v[0]+"="+v[1], strings.ToLower(v[0])+"="+v[1])
		}
	}
	return env
}
