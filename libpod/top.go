package libpod

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"skiff/libpod/account"
	"skiff/rootfs/safepath"
	"skiff/runtime/proctable"
	"skiff/runtime/sandbox"
	"skiff/state"
)

// TopOptions say what Top shows.
type TopOptions struct {
	// Args are names of columns, or options of ps, for which the host's ps is asked.
	Args []string
	// HostIDs leaves the host's process ids in the output of ps, as Docker does.
	HostIDs bool
}

// Top lists a container's processes: a heading, then a row each.
func (e *Engine) Top(ctx context.Context, ref string, o TopOptions) ([][]string, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return nil, err
	}
	st, err := e.status(ctx, id)
	if err != nil {
		return nil, err
	}
	if st.Phase != state.Running && st.Phase != state.Paused {
		return nil, fmt.Errorf("cannot list the processes of container %s: it is not running, top can only be used on running containers", ref)
	}
	box, err := sandbox.Load(e.Roots.Sandboxes(), id)
	if err != nil {
		return nil, err
	}
	pids, err := box.Pids()
	if err != nil {
		return nil, fmt.Errorf("cannot list the processes of container %s: %w", ref, err)
	}
	slices.Sort(pids)
	view := proctable.View{First: st.Pid}
	names := splitNames(o.Args)
	switch {
	case len(names) == 0:
		names = proctable.Default()
	case proctable.Known(names):
	case psOptions(o.Args):
		head, rows, at, err := hostPS(ctx, pids, o.Args)
		if err != nil {
			return nil, err
		}
		if !o.HostIDs {
			rows = proctable.Inside(head, rows, at, view)
		}
		return append([][]string{head}, rows...), nil
	}
	if root, err := safepath.OpenRoot(box.Root()); err == nil { // without names there are numbers
		view.Users, view.Groups = account.Names(root)
		root.Close()
	}
	return proctable.Rows(pids, names, view)
}

// psOptions says whether args are meant for ps.
func psOptions(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") }) || psBundle(args)
}

// psBundle recognises BSD-style options such as "aux" and "axo pid,args".
func psBundle(args []string) bool {
	if len(args) == 0 {
		return false
	}
	bundle, columns := strings.CutSuffix(args[0], "o")
	if columns != (len(args) == 2) || len(args) > 2 {
		return false
	}
	return len(args[0]) > 1 && strings.Trim(bundle, "auxefjlwvmXTr") == ""
}

func splitNames(args []string) []string {
	var out []string
	for _, a := range args {
		out = append(out, strings.FieldsFunc(a, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return out
}

// hostPS runs the host's ps and keeps the rows of the container's processes; at
// is the column of their ids.
// Docker: top CONTAINER [ps OPTIONS].
func hostPS(ctx context.Context, pids []int, args []string) (head []string, rows [][]string, at int, err error) {
	if len(args) == 1 {
		args = strings.Fields(args[0]) // `top web "-e -o pid"`
	}
	out, err := exec.CommandContext(ctx, "ps", args...).Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil, 0, fmt.Errorf("cannot use options of ps: there is no ps on this host, install procps or name columns such as pid,args")
	}
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			first, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
			return nil, nil, 0, fmt.Errorf("cannot list processes: ps: %s", first)
		}
		return nil, nil, 0, fmt.Errorf("cannot list processes: %w", err)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	head = strings.Fields(lines[0])
	at = slices.Index(head, "PID")
	if at < 0 {
		return nil, nil, 0, fmt.Errorf("cannot find the PID column in the output of ps %s", strings.Join(args, " "))
	}
	for _, line := range lines[1:] {
		f := strings.Fields(line)
		if len(f) <= at {
			continue
		}
		if pid, err := strconv.Atoi(f[at]); err != nil || !slices.Contains(pids, pid) {
			continue
		}
		if len(f) > len(head) { // the command is last and has spaces
			f = append(f[:len(head)-1:len(head)-1], strings.Join(f[len(head)-1:], " "))
		}
		rows = append(rows, f)
	}
	return head, rows, at, nil
}
