package keyring

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// NewSecret makes 32 random bytes in a form that survives a shell, a URL and a
// spreadsheet.
func NewSecret(prefix string) string {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// NewKey makes an API key.
func NewKey() string { return NewSecret("cb_") }

// Hash is how keys and passwords are kept: random and long, they need no salt.
func Hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// HashHex is the hash in hexadecimal.
func HashHex(secret string) string { return hex.EncodeToString(Hash(secret)) }
