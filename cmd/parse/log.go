package parse

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"skiff/state"
)

// LogDriver reads a driver's name and its options (name=value). Sizes and counts
// that are not given stay 0. Docker: --log-driver, --log-opt.
func LogDriver(driver string, opts []string) (l state.LogConfig, err error) {
	switch driver {
	case "", state.LogJSONFile, state.LogK8sFile, state.LogJournald, state.LogNone, state.LogPassthrough:
		l.Driver = driver
	case "passthrough-tty":
		l.Driver = state.LogPassthrough
	case "local":
		l.Driver = state.LogJSONFile
	default:
		return l, fmt.Errorf("invalid log driver %q: want json-file, k8s-file, journald, none or passthrough", driver)
	}
	if l.Options, err = Pairs("log option", opts); err != nil {
		return l, err
	}
	for _, o := range opts {
		if err := logOption(&l, o); err != nil {
			return l, fmt.Errorf("invalid log option %q: %w", o, err)
		}
	}
	return l, nil
}

func logOption(l *state.LogConfig, o string) error {
	k, v, _ := strings.Cut(o, "=")
	switch k {
	case "max-size":
		if v == "-1" {
			l.MaxSize = -1
			return nil
		}
		n, err := decimalSize(v)
		if err == nil && n == 0 {
			err = fmt.Errorf("the size must not be 0; -1 means no limit")
		}
		l.MaxSize = n
		return err
	case "max-file":
		n, err := strconv.ParseUint(v, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("want a number of files from 1")
		}
		l.MaxFiles = int(n)
	case "path":
		if !strings.HasPrefix(v, "/") {
			return fmt.Errorf("the path must be absolute")
		}
		l.Path = v
	case "tag":
		l.Tag = v
	case "labels-regex", "env-regex":
		if _, err := regexp.Compile(v); err != nil {
			return fmt.Errorf("want a regular expression")
		}
	case "labels", "env", "mode", "max-buffer-size", "compress", "label":
		// Stored; libpod makes fields of the journal of them.
	default:
		return fmt.Errorf("unknown option %q: want max-size, max-file, path, tag, labels or env", k)
	}
	return nil
}
