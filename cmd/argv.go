package cmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// words is a command line sorted out: options as --name=value with the
// option's full name, and what is not an option.
type words struct {
	options []string
	rest    []string
	// help is set where --help (or an -h that is no option of the command) was met.
	help bool
}

// all is the form that Go's flag package reads without doubt.
func (w words) all() []string { return append(append(w.options, "--"), w.rest...) }

// canonical reads args the way Docker's and Podman's command lines are read,
// which the flag package behind urfave/cli cannot do by itself: bundled short
// options (-it), values joined to short options (-p8080:80), and, where
// interspersed is set, options after the first word that is none.
func canonical(flags []cli.Flag, args []string, interspersed bool) (words, error) {
	var w words
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			w.rest = append(w.rest, args...)
			return w, nil
		case len(arg) < 2 || arg[0] != '-':
			w.rest = append(w.rest, arg)
			if !interspersed {
				w.rest = append(w.rest, args...)
				return w, nil
			}
		case strings.HasPrefix(arg, "--"):
			args, err = w.long(flags, arg, args)
		default:
			args, err = w.short(flags, arg, args)
		}
		if err != nil || w.help {
			return w, err
		}
	}
	return w, nil
}

func (w *words) long(flags []cli.Flag, arg string, args []string) ([]string, error) {
	name, val, has := strings.Cut(arg[2:], "=")
	f := findFlag(flags, name)
	if f == nil || len(name) == 1 {
		if name == "help" {
			w.help = true
			return args, nil
		}
		return args, usagef("unknown flag: --%s", name)
	}
	may, alone := f.(*optional)
	switch {
	case has:
	case alone:
		val = may.bare
	case isBool(f):
		val = "true"
	case len(args) == 0:
		return args, usagef("flag needs an argument: --%s", name)
	default:
		val, args = args[0], args[1:]
	}
	return args, w.add(f, "--"+name, val)
}

func (w *words) short(flags []cli.Flag, arg string, args []string) ([]string, error) {
	for i := 1; i < len(arg); i++ {
		name := arg[i : i+1]
		f := findFlag(flags, name)
		if f == nil {
			if name == "h" {
				w.help = true
				return args, nil
			}
			return args, usagef("unknown shorthand flag: %q in %s", arg[i], arg)
		}
		rest := arg[i+1:]
		if isBool(f) && !strings.HasPrefix(rest, "=") {
			if err := w.add(f, "-"+name, "true"); err != nil {
				return args, err
			}
			continue
		}
		val := strings.TrimPrefix(rest, "=")
		if rest == "" {
			if len(args) == 0 {
				return args, usagef("flag needs an argument: %q in %s", arg[i], arg)
			}
			val, args = args[0], args[1:]
		}
		return args, w.add(f, "-"+name, val)
	}
	return args, nil
}

// add checks what the flag's type demands, so that the error is ours, and
// appends the option under its first name.
func (w *words) add(f cli.Flag, typed, val string) error {
	var err error
	switch f.(type) {
	case *cli.BoolFlag:
		_, err = strconv.ParseBool(val)
	case *cli.IntFlag:
		_, err = strconv.ParseInt(val, 10, 0)
	case *cli.Int64Flag:
		_, err = strconv.ParseInt(val, 10, 64)
	case *cli.UintFlag, *cli.Uint64Flag:
		_, err = strconv.ParseUint(val, 10, 64)
	case *cli.DurationFlag:
		_, err = time.ParseDuration(val)
	case *cli.Float64Flag:
		_, err = strconv.ParseFloat(val, 64)
	}
	if err != nil {
		return usagef("invalid argument %q for %q flag: want %s", val, typed, typeName(f))
	}
	name, _ := names(f)
	w.options = append(w.options, "--"+name+"="+val)
	return nil
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		first, more := names(f)
		if first == name || slices.Contains(more, name) {
			return f
		}
	}
	return nil
}

// names are a flag's name and aliases. Flag.Names gives the same, but by way of
// regular expressions, which at a hundred flags costs milliseconds.
func names(f cli.Flag) (string, []string) {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return f.Name, f.Aliases
	case *cli.StringFlag:
		return f.Name, f.Aliases
	case *cli.StringSliceFlag:
		return f.Name, f.Aliases
	case *cli.IntFlag:
		return f.Name, f.Aliases
	}
	all := f.Names()
	return all[0], all[1:]
}

// used are the flags that were given or that have a default: the others read as
// zero without urfave/cli looking at each of them again and again.
func (w words) used(flags []cli.Flag) []cli.Flag {
	var out []cli.Flag
	for _, f := range flags {
		name, _ := names(f)
		given := slices.ContainsFunc(w.options, func(o string) bool { return strings.HasPrefix(o, "--"+name+"=") })
		if given || hasDefault(f) {
			out = append(out, f)
		}
	}
	return out
}

func hasDefault(f cli.Flag) bool {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return f.Value
	case *cli.StringFlag:
		return f.Value != ""
	case *cli.StringSliceFlag:
		return f.Value != nil
	case *cli.IntFlag:
		return f.Value != 0
	}
	return true
}

func isBool(f cli.Flag) bool {
	_, ok := f.(*cli.BoolFlag)
	return ok
}

// typeName is what a flag takes, for help and errors; empty for a switch.
func typeName(f cli.Flag) string {
	switch f.(type) {
	case *cli.BoolFlag:
		return "true or false"
	case *cli.IntFlag, *cli.Int64Flag, *cli.UintFlag, *cli.Uint64Flag:
		return "a whole number"
	case *cli.DurationFlag:
		return "a duration such as 10s"
	case *cli.Float64Flag:
		return "a number"
	}
	return "text"
}

// usagef is a mistake in the command line itself.
func usagef(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

type usageError struct {
	// quiet leaves out the line that points to the help: the value is wrong, not the form.
	quiet bool
	msg   string
	// command is whose help to look at; filled in by who knows it.
	command string
}

func (e *usageError) Error() string { return e.msg }

func (e *usageError) Is(target error) bool { return target == errUsage }
