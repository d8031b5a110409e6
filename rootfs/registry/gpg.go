package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"go.podman.io/image/v5/signature"
)

// gpg signs with the program gpg and the user's own key ring and agent, which
// may ask for a passphrase. The registry stack as it is built here can only
// verify; that part is its own.
type gpg struct {
	signature.SigningMechanism
	ctx  context.Context
	path string
}

func newGPG(ctx context.Context) (*gpg, error) {
	path, err := exec.LookPath("gpg")
	if err != nil {
		return nil, errors.New("the program gpg is not installed")
	}
	verify, err := signature.NewGPGSigningMechanism()
	if err != nil {
		return nil, fmt.Errorf("cannot read the key ring: %w", err)
	}
	return &gpg{verify, ctx, path}, nil
}

// SupportsSigning reports that it does.
func (g *gpg) SupportsSigning() error { return nil }

// Sign makes a signed message of input. key is whatever gpg takes for one: an
// address, a fingerprint.
func (g *gpg) Sign(input []byte, key string) ([]byte, error) {
	cmd := exec.CommandContext(g.ctx, g.path, "--batch", "--no-armor", "--local-user="+key, "--output=-", "--sign")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = bytes.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if g.ctx.Err() != nil {
			return nil, g.ctx.Err()
		}
		return nil, fmt.Errorf("gpg cannot sign as %q: %s", key, lastWords(said.String(), err))
	}
	return out.Bytes(), nil
}

// lastWords is the end of what a program said of why it failed.
func lastWords(said string, err error) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	last := lines[len(lines)-1]
	if last == "" {
		return err.Error()
	}
	return oneLine(last[strings.LastIndex(last, ": ")+1:])
}
