package index

import (
	"context"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
)

// untagged is a repository to which a list goes under its digest only. The registry
// stack fails for one that it is to store the signatures of a list for, even if there
// are none.
type untagged struct{ types.ImageReference }

func (u untagged) NewImageDestination(ctx context.Context, sys *types.SystemContext) (types.ImageDestination, error) {
	to, err := u.ImageReference.NewImageDestination(ctx, sys)
	if err != nil {
		return nil, err
	}
	return untaggedDestination{to}, nil
}

type untaggedDestination struct{ types.ImageDestination }

func (u untaggedDestination) PutSignatures(ctx context.Context, signatures [][]byte, instance *digest.Digest) error {
	if instance == nil && len(signatures) == 0 {
		return nil
	}
	return u.ImageDestination.PutSignatures(ctx, signatures, instance)
}
