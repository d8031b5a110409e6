package archive

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Config is the configuration that --change instructions build up: the OCI's
// with what Docker added to it.
type Config struct {
	imgspec.ImageConfig
	OnBuild     []string     `json:"OnBuild,omitempty"`
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"`
}

// ApplyChanges carries out Dockerfile instructions, one per element, on a
// configuration. Docker, Podman: import --change.
func ApplyChanges(c *Config, changes []string) error {
	for _, change := range changes {
		if err := applyChange(c, change); err != nil {
			return fmt.Errorf("invalid change %q: %w", change, err)
		}
	}
	return nil
}

func applyChange(c *Config, change string) error {
	change = strings.TrimLeft(change, " \t")
	end := strings.IndexAny(change, " \t=")
	if end < 0 {
		return fmt.Errorf("it must be of the form INSTRUCTION VALUE")
	}
	value := strings.TrimSpace(change[end+1:])
	switch strings.ToUpper(change[:end]) {
	case "CMD":
		c.Cmd = command(value)
	case "ENTRYPOINT":
		c.Entrypoint = nil
		if value != "" {
			c.Entrypoint = command(value)
		}
	case "ENV":
		return changeEnv(c, value)
	case "EXPOSE":
		return changeExpose(c, value)
	case "HEALTHCHECK":
		return changeHealthcheck(c, value)
	case "LABEL":
		return changeLabel(c, value)
	case "ONBUILD":
		if value == "" {
			return fmt.Errorf("ONBUILD needs an instruction")
		}
		c.OnBuild = append(c.OnBuild, value)
	case "STOPSIGNAL":
		if value == "" || strings.ContainsAny(value, " \t") {
			return fmt.Errorf("STOPSIGNAL needs one signal")
		}
		c.StopSignal = value
	case "USER":
		if value == "" {
			return fmt.Errorf("USER needs a user")
		}
		c.User = value
	case "VOLUME":
		return changeVolume(c, value)
	case "WORKDIR":
		if value == "" {
			return fmt.Errorf("WORKDIR needs a path")
		}
		if !path.IsAbs(value) {
			value = path.Join("/", c.WorkingDir, value)
		}
		c.WorkingDir = path.Clean(value)
	default:
		return fmt.Errorf("the instruction %q is not supported", change[:end])
	}
	return nil
}

// command reads the JSON form of a command, or wraps the shell form.
func command(value string) []string {
	var words []string
	if strings.HasPrefix(value, "[") && json.Unmarshal([]byte(value), &words) == nil {
		return words
	}
	return []string{"/bin/sh", "-c", value}
}

func changeEnv(c *Config, value string) error {
	pairs, err := pairs(value, true)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		c.Env = setEnv(c.Env, p[0], p[1])
	}
	return nil
}

func setEnv(env []string, key, value string) []string {
	for i, e := range env {
		if strings.HasPrefix(e, key+"=") {
			env[i] = key + "=" + value
			return env
		}
	}
	return append(env, key+"="+value)
}

func changeLabel(c *Config, value string) error {
	pairs, err := pairs(value, true)
	if err != nil {
		return err
	}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	for _, p := range pairs {
		c.Labels[p[0]] = p[1]
	}
	return nil
}

// pairs reads key=value words, or, if old, the one pair "key value".
func pairs(value string, old bool) ([][2]string, error) {
	words, err := splitWords(value)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("a key and a value are missing")
	}
	if old && !strings.Contains(words[0], "=") {
		key, rest, _ := strings.Cut(value, " ")
		if key == "" || strings.TrimSpace(rest) == "" {
			return nil, fmt.Errorf("%q has no value", key)
		}
		return [][2]string{{key, strings.TrimSpace(rest)}}, nil
	}
	var result [][2]string
	for _, w := range words {
		key, val, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not of the form KEY=VALUE", w)
		}
		result = append(result, [2]string{key, val})
	}
	return result, nil
}

// splitWords splits at blanks outside of quotes, and drops the quotes.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	in := false
	var quote rune
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, in = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, in = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote is not closed")
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

func changeExpose(c *Config, value string) error {
	fields := strings.Fields(value)
	if len(fields) == 0 {
		return fmt.Errorf("EXPOSE needs a port")
	}
	for _, field := range fields {
		ports, protocol, given := strings.Cut(strings.ToLower(field), "/")
		if !given {
			protocol = "tcp"
		}
		if protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
			return fmt.Errorf("%q is not a protocol: use tcp, udp or sctp", protocol)
		}
		first, last, isRange := strings.Cut(ports, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || from == 0 || to < from {
			return fmt.Errorf("%q is not a port", ports)
		}
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		for port := from; port <= to; port++ {
			c.ExposedPorts[strconv.FormatUint(port, 10)+"/"+protocol] = struct{}{}
		}
	}
	return nil
}

func changeVolume(c *Config, value string) error {
	var paths []string
	if !strings.HasPrefix(value, "[") || json.Unmarshal([]byte(value), &paths) != nil {
		paths = strings.Fields(value)
	}
	if len(paths) == 0 {
		return fmt.Errorf("VOLUME needs a path")
	}
	for _, p := range paths {
		if p == "" {
			return fmt.Errorf("VOLUME needs a path")
		}
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[p] = struct{}{}
	}
	return nil
}
