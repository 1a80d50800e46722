package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"chatbell"
	"chatbell/internal/store"
)

// settings reads one settings row into v; what was never set leaves v as it is.
func (s *Store) settings(ctx context.Context, value any, query string, args ...any) error {
	var text string
	err := found("settings", s.read.QueryRowContext(ctx, query, args...).Scan(&text))
	if errors.Is(err, chatbell.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return decode(text, value)
}

// NetworkSettings reads the network's toggles; never set means inherit.
func (s *Store) NetworkSettings(ctx context.Context, network chatbell.NetworkID) (t chatbell.Toggles, err error) {
	text, err := s.toggles.get(network, func() (text string, err error) {
		err = s.read.QueryRowContext(ctx, `SELECT settings FROM network_settings WHERE network = ?`, network).Scan(&text)
		if errors.Is(err, sql.ErrNoRows) {
			return "", nil
		}
		return text, err
	})
	if err != nil {
		return t, fmt.Errorf("settings: %w", err)
	}
	if text != "" {
		err = decode(text, &t)
	}
	return t, err
}

// PutNetworkSettings replaces the network's toggles.
func (s *Store) PutNetworkSettings(ctx context.Context, network chatbell.NetworkID, t chatbell.Toggles) error {
	defer s.toggles.drop()
	_, err := s.exec(ctx, "put network settings", `INSERT OR REPLACE INTO network_settings VALUES (?, ?)`, network, encode(t))
	return err
}

// UserSettings reads a user's settings.
func (s *Store) UserSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID) (u chatbell.UserSettings, err error) {
	return u, s.settings(ctx, &u, `SELECT settings FROM user_settings WHERE network = ? AND user = ?`, network, user)
}

// PutUserSettings replaces a user's settings.
func (s *Store) PutUserSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, u chatbell.UserSettings) error {
	return s.do(ctx, "put user settings", func(ctx context.Context, q *tx) error {
		q.touchUser(network, user)
		_, err := q.ExecContext(ctx, `INSERT OR REPLACE INTO user_settings VALUES (?, ?, ?)`, network, user, encode(u))
		return err
	})
}

// ChannelSettings reads a user's settings for a channel.
func (s *Store) ChannelSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, channel chatbell.ChannelID) (c chatbell.ChannelSettings, err error) {
	return c, s.settings(ctx, &c, `SELECT settings FROM channel_settings WHERE network = ? AND user = ? AND channel = ?`, network, user, channel)
}

// PutChannelSettings replaces a user's settings for a channel.
func (s *Store) PutChannelSettings(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, channel chatbell.ChannelID, c chatbell.ChannelSettings) error {
	return s.do(ctx, "put channel settings", func(ctx context.Context, q *tx) error {
		q.touchChannel(network, channel)
		_, err := q.ExecContext(ctx, `INSERT OR REPLACE INTO channel_settings VALUES (?, ?, ?, ?)`, network, user, channel, encode(c))
		return err
	})
}

// CreateNetwork makes a network with its first key, in one step.
func (s *Store) CreateNetwork(ctx context.Context, id chatbell.NetworkID, key chatbell.Key) error {
	return s.do(ctx, "create network", func(ctx context.Context, q *tx) error {
		if _, err := q.ExecContext(ctx, `INSERT INTO networks VALUES (?, 'en', ?)`, id, chatbell.DeliverDirect); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `INSERT INTO keys VALUES (?, ?, ?, ?)`, key.Network, key.ID, key.Scope, key.Hash)
		return err
	})
}

// Networks lists the networks that were made by calls.
func (s *Store) Networks(ctx context.Context) (out []store.NetworkRow, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, default_locale, delivery FROM networks ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n store.NetworkRow
		if err := rows.Scan(&n.ID, &n.DefaultLocale, &n.Delivery); err != nil {
			return nil, fmt.Errorf("list networks: %w", err)
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// Keys lists the stored keys, as hashes.
func (s *Store) Keys(ctx context.Context) (out []chatbell.Key, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT network, id, scope, hash FROM keys ORDER BY network, id`)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key chatbell.Key
		if err := rows.Scan(&key.Network, &key.ID, &key.Scope, &key.Hash); err != nil {
			return nil, fmt.Errorf("list keys: %w", err)
		}
		out = append(out, key)
	}
	return out, rows.Err()
}

// DisableEndpoint keeps a webhook from being called.
func (s *Store) DisableEndpoint(ctx context.Context, network chatbell.NetworkID, endpoint chatbell.Endpoint, why chatbell.Reason) error {
	defer s.disabled.drop()
	_, err := s.exec(ctx, "disable endpoint", `INSERT OR REPLACE INTO disabled_endpoints (network, endpoint, reason, url) VALUES (?, ?, ?, ?)`,
		network, endpoint.ID, why, hashOf(endpoint.URL))
	return err
}

// EnableEndpoint takes that back, and reports whether the webhook was disabled.
func (s *Store) EnableEndpoint(ctx context.Context, network chatbell.NetworkID, id chatbell.EndpointID) (bool, error) {
	defer s.disabled.drop()
	n, err := s.exec(ctx, "enable endpoint", `DELETE FROM disabled_endpoints WHERE network = ? AND endpoint = ?`, network, id)
	return n > 0, err
}

// EnableChangedEndpoint takes it back where the webhook had another URL when it was
// disabled: it counts as new. It reports whether it did.
func (s *Store) EnableChangedEndpoint(ctx context.Context, network chatbell.NetworkID, endpoint chatbell.Endpoint) (bool, error) {
	defer s.disabled.drop()
	n, err := s.exec(ctx, "enable endpoint", `DELETE FROM disabled_endpoints WHERE network = ? AND endpoint = ? AND url NOT IN ('', ?)`,
		network, endpoint.ID, hashOf(endpoint.URL))
	return n > 0, err
}

// hashOf stands for a URL that is not to be stored.
func hashOf(url string) string {
	sum := sha256.Sum256([]byte(url))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// DisabledEndpoints lists the webhooks that are not called. The caller must not change
// the maps.
func (s *Store) DisabledEndpoints(ctx context.Context) (map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason, error) {
	return s.disabled.get(struct{}{}, func() (map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason, error) {
		return s.readDisabled(ctx)
	})
}

func (s *Store) readDisabled(ctx context.Context) (out map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT network, endpoint, reason FROM disabled_endpoints`)
	if err != nil {
		return nil, fmt.Errorf("list disabled endpoints: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var network chatbell.NetworkID
		var endpoint chatbell.EndpointID
		var r chatbell.Reason
		if err := rows.Scan(&network, &endpoint, &r); err != nil {
			return nil, fmt.Errorf("list disabled endpoints: %w", err)
		}
		if out == nil {
			out = map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason{}
		}
		if out[network] == nil {
			out[network] = map[chatbell.EndpointID]chatbell.Reason{}
		}
		out[network][endpoint] = r
	}
	return out, rows.Err()
}
