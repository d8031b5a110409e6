package build

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// keyVersion is a part of every key. It changes when what a step makes of the
// same input does.
const keyVersion = "skiff-step-1"

// key is a SHA-256 over parts, each with its length, in hex.
func key(parts ...string) string {
	h := sha256.New()
	var n [8]byte
	for _, p := range append([]string{keyVersion}, parts...) {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// nonce is different each time.
func nonce() string { return rand.Text() }
