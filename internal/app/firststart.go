package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"chatbell"
	"chatbell/internal/config"
	"chatbell/internal/keyring"
	"chatbell/internal/unshown"
)

// What can be made at a first start, by the names that the file of what was not shown has.
const (
	unshownKey      = "api_key"
	unshownPassword = "clickhouse_password"
)

// defaultNetwork is the network of a start without any.
const defaultNetwork chatbell.NetworkID = "default"

// storedNetworks are the networks that no file names. On a start without any
// network the network "default" is made; its key is shown once the start has succeeded.
func storedNetworks(ctx context.Context, cfg *config.Config, from ownNetworks, secrets *unshown.Secrets) ([]chatbell.NetworkID, error) {
	rows, err := from.Networks(ctx)
	if err != nil {
		return nil, fmt.Errorf("read networks: %w", err)
	}
	if len(rows) == 0 && len(cfg.Networks) == 0 {
		if err := makeDefaultNetwork(ctx, from, secrets); err != nil {
			return nil, err
		}
		return []chatbell.NetworkID{defaultNetwork}, nil
	}
	ids := make([]chatbell.NetworkID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids, nil
}

func makeDefaultNetwork(ctx context.Context, networks ownNetworks, secrets *unshown.Secrets) error {
	secret, err := secrets.Make(unshownKey, keyring.NewKey)
	if err != nil {
		return err
	}
	key := chatbell.Key{ID: "default", Network: defaultNetwork, Scope: chatbell.ScopeServer, Hash: keyring.Hash(secret)}
	if err := networks.CreateNetwork(ctx, defaultNetwork, key); err != nil {
		return fmt.Errorf("make the network default: %w", err)
	}
	return nil
}

// howToReplace is for whoever has lost a secret that was made.
const howToReplace = `an API key by naming the network "default" with a key of your own in the configuration file ` +
	`("chatbell secret --key" makes one), the password of ClickHouse by setting clickhouse_password`

const keyNotice = `Made the network "default". Its API key, shown this once and kept only as a hash:

    %s

When it is lost, or known to others, replace it: name the network in a configuration file,
with a key of your own ("chatbell secret --key" makes one), and it does not work any more:

    networks: [{id: default, keys: [{id: backend, secret: THE_NEW_KEY}]}]

`

const passwordNotice = "Made a password for ClickHouse at http://%s, user %q, shown this once and kept only as a hash:\n\n    %%s\n\nTo replace it set clickhouse_password.\n\n"

// showSecrets prints what was made and not shown so far, now that the start has
// succeeded, or says what to do about what was shown before.
func showSecrets(ctx context.Context, cfg *config.Config, keys keyring.Store, secrets *unshown.Secrets, out io.Writer, log *slog.Logger) error {
	var notices []unshown.Notice
	keyed, err := madeKey(ctx, cfg, keys)
	if err != nil {
		return err
	}
	if keyed {
		notices = append(notices, unshown.Notice{Name: unshownKey, Format: keyNotice})
	}
	if cfg.EmbeddedClickHouse() && cfg.ClickHousePassword.IsZero() {
		listen := strings.ReplaceAll(cfg.ClickHouseListen, "%", "%%")
		user := strings.ReplaceAll(cfg.ClickHouseUser, "%", "%%")
		notices = append(notices, unshown.Notice{Name: unshownPassword, Format: fmt.Sprintf(passwordNotice, listen, user)})
	}
	some, err := secrets.Show(out, notices)
	if !some && len(notices) > 0 {
		log.Info("the secrets that were made at the first start were shown then; they are kept as hashes", "when_lost_replace", howToReplace)
	}
	return err
}

// madeKey reports whether the key that was made for the network "default" is in force.
func madeKey(ctx context.Context, cfg *config.Config, from keyring.Store) (bool, error) {
	if keyring.HasServerKey(cfg, defaultNetwork) {
		return false, nil
	}
	keys, err := from.Keys(ctx)
	if err != nil {
		return false, fmt.Errorf("read keys: %w", err)
	}
	for _, key := range keys {
		if key.Network == defaultNetwork {
			return true, nil
		}
	}
	return false, nil
}
