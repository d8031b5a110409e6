package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"skiff/state"
)

const (
	// longest bounds a hook without a timeout of its own.
	longest = 10 * time.Minute
	// maxOutput is how much of a hook's output an error quotes, in bytes.
	maxOutput = 4096
	// afterKill bounds the wait for who keeps an ended hook's output open.
	afterKill = time.Second
)

// Run runs a hook, with the container's state (runtime-spec, "State") as JSON on
// its standard input and no environment but its own.
func Run(ctx context.Context, h state.Hook, container []byte) error {
	limit := longest
	if h.Timeout > 0 {
		limit = time.Duration(h.Timeout) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out := &tail{}
	cmd := exec.CommandContext(ctx, h.Path)
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Env = append([]string{}, h.Env...) // nil would be skiff's own
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(container), out, out
	cmd.WaitDelay = afterKill
	err := cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("the hook %q took more than %s", h.Path, limit)
	}
	if text := strings.TrimSpace(string(out.data)); text != "" {
		return fmt.Errorf("the hook %q failed: %w: %s", h.Path, err, text)
	}
	return fmt.Errorf("the hook %q failed: %w", h.Path, err)
}

// tail keeps the last of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if over := len(t.data) - maxOutput; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}
