package netsetup

import (
	"context"
	"errors"
)

func (m *Manager) setupPasta(ctx context.Context, r Request) (Result, error) {
	return Result{}, errors.New("pasta")
}
