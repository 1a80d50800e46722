package app

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// newSecret makes 32 random bytes in a form that survives a shell, a URL and a
// spreadsheet.
func newSecret(prefix string) string {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// NewKey makes an API key.
func NewKey() string { return newSecret("cb_") }

// hash is how keys and passwords are kept: random and long, they need no salt.
func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func hashHex(secret string) string { return hex.EncodeToString(hash(secret)) }
