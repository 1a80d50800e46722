// Package keyring knows who may call: the keys of the configuration and those of the store,
// server keys as hashes only. It also makes the secrets that are keys.
package keyring

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"

	"chatbell"
	"chatbell/internal/config"
)

// Keyring knows all credentials: those of the configuration and those of the store.
// It keeps server keys as hashes. Immutable
// once made, and so safe for concurrent use.
type Keyring struct {
	server map[[sha256.Size]byte]chatbell.Key
	client map[string]clientKey
	admin  []byte // hash; nil when there is none
	all    []chatbell.NetworkID
}

type clientKey struct {
	key    chatbell.Key
	secret []byte
}

// Store has the keys that were made at run time.
type Store interface {
	Keys(ctx context.Context) ([]chatbell.Key, error)
}

// New reads all keys.
func New(ctx context.Context, cfg *config.Config, store Store) (*Keyring, error) {
	ring := &Keyring{server: map[[sha256.Size]byte]chatbell.Key{}, client: map[string]clientKey{}}
	if !cfg.AdminKey.IsZero() {
		ring.admin = Hash(cfg.AdminKey.Reveal())
	}
	for _, n := range cfg.Networks {
		ring.all = append(ring.all, n.ID)
		for _, c := range n.Keys {
			key := chatbell.Key{ID: c.ID, Network: n.ID, Scope: c.Scope, Hash: Hash(c.Secret.Reveal())}
			if c.Scope == chatbell.ScopeClient {
				ring.client[c.ID] = clientKey{key, []byte(c.Secret.Reveal())}
			}
			ring.add(key)
		}
	}
	stored, err := store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	for _, key := range stored {
		// Keys in the file replace the one that was made at a first start: otherwise nobody
		// could take back one that others have seen.
		if !HasServerKey(cfg, key.Network) {
			ring.add(key)
		}
		if !slices.Contains(ring.all, key.Network) {
			ring.all = append(ring.all, key.Network)
		}
	}
	return ring, nil
}

// HasServerKey reports whether the configuration gives a network a key of scope server.
func HasServerKey(cfg *config.Config, id chatbell.NetworkID) bool {
	for i := range cfg.Networks {
		isServer := func(k config.Key) bool { return k.Scope == chatbell.ScopeServer }
		if cfg.Networks[i].ID == id && slices.ContainsFunc(cfg.Networks[i].Keys, isServer) {
			return true
		}
	}
	return false
}

func (k *Keyring) add(key chatbell.Key) {
	var h [sha256.Size]byte
	copy(h[:], key.Hash)
	k.server[h] = key
}

// Lookup finds a key by the SHA-256 of its secret. The hash of a long random secret
// tells nothing by how long a map look-up takes.
func (k *Keyring) Lookup(sum [sha256.Size]byte) (chatbell.Key, bool) {
	key, ok := k.server[sum]
	return key, ok
}

// ClientSecret is what signs the users' tokens of a client key.
func (k *Keyring) ClientSecret(id string) (chatbell.Key, []byte, bool) {
	c, ok := k.client[id]
	return c.key, c.secret, ok
}

// IsAdmin reports whether the secret with this SHA-256 is the admin key.
func (k *Keyring) IsAdmin(sum [sha256.Size]byte) bool {
	return k.admin != nil && subtle.ConstantTimeCompare(sum[:], k.admin) == 1
}

// Networks lists every network that has a key.
func (k *Keyring) Networks() []chatbell.NetworkID { return k.all }
