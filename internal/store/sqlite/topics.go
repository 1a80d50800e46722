package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"chatbell"
	"chatbell/internal/store"
)

// addDeviceTopics adds topics to a device, as long as it has not too many.
func addDeviceTopics(ctx context.Context, txn *tx, network chatbell.NetworkID, device chatbell.DeviceID, topics []string) error {
	if len(topics) > 0 {
		if _, err := txn.ExecContext(ctx, `INSERT OR IGNORE INTO device_topics (network, device, topic) SELECT ?, ?, value FROM json_each(?)`,
			network, device, encode(topics)); err != nil {
			return err
		}
	}
	return atMostTopics(ctx, txn, `SELECT COUNT(*) FROM (SELECT 1 FROM device_topics WHERE network = ? AND device = ? LIMIT ?)`, network, string(device))
}

// atMostTopics refuses a list that has become too long.
func atMostTopics(ctx context.Context, txn *tx, query string, network chatbell.NetworkID, of string) error {
	n := 0
	if err := txn.QueryRowContext(ctx, query, network, of, store.MaxTopics+1).Scan(&n); err != nil {
		return err
	}
	if n > store.MaxTopics {
		return store.ErrTooMany
	}
	return nil
}

func changeDeviceTopics(ctx context.Context, txn *tx, network chatbell.NetworkID, device chatbell.DeviceID, change *store.TopicChange) error {
	switch change.Op {
	case store.TopicAdd:
		return addDeviceTopics(ctx, txn, network, device, change.Topics)
	case store.TopicRemove:
		_, err := txn.ExecContext(ctx, `DELETE FROM device_topics WHERE network = ? AND device = ? AND topic IN (SELECT value FROM json_each(?))`,
			network, device, encode(change.Topics))
		return err
	case store.TopicSet:
		if _, err := txn.ExecContext(ctx, `DELETE FROM device_topics WHERE network = ? AND device = ?`, network, device); err != nil {
			return err
		}
		return addDeviceTopics(ctx, txn, network, device, change.Topics)
	}
	return fmt.Errorf("there is no operation %q on topics", change.Op)
}

// ChangeDeviceTopics changes the topics of a device; with a user only if it is theirs.
func (s *Store) ChangeDeviceTopics(ctx context.Context, network chatbell.NetworkID, device chatbell.DeviceID, onlyIf chatbell.UserID, change store.TopicChange) error {
	return s.do(ctx, "change the topics of a device", func(ctx context.Context, txn *tx) error {
		var owner chatbell.UserID
		err := txn.QueryRowContext(ctx, `SELECT user FROM devices WHERE network = ? AND id = ?`, network, device).Scan(&owner)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return chatbell.ErrNotFound
		case err != nil:
			return err
		case onlyIf != "" && owner != onlyIf:
			return store.ErrConflict
		}
		return changeDeviceTopics(ctx, txn, network, device, &change)
	})
}

// The devices of a user follow the user's list.
const (
	theirDevices = `SELECT id FROM devices INDEXED BY devices_by_user WHERE network = ?1 AND user = ?2`
	addToTheirs  = `INSERT OR IGNORE INTO device_topics (network, device, topic)
		SELECT ?1, d.id, j.value FROM devices d INDEXED BY devices_by_user CROSS JOIN json_each(?3) j WHERE d.network = ?1 AND d.user = ?2 AND ?2 <> ''`
	takeFromTheirs = `DELETE FROM device_topics WHERE network = ?1 AND ?2 <> '' AND device IN (` + theirDevices + `)
		AND topic IN (SELECT value FROM json_each(?3))`
	takeRestFromTheirs = `DELETE FROM device_topics WHERE network = ?1 AND ?2 <> '' AND device IN (` + theirDevices + `)
		AND topic IN (SELECT topic FROM user_topics WHERE network = ?1 AND user = ?2 AND topic NOT IN (SELECT value FROM json_each(?3)))`
	addToList        = `INSERT OR IGNORE INTO user_topics (network, user, topic) SELECT ?1, ?2, value FROM json_each(?3)`
	takeFromList     = `DELETE FROM user_topics WHERE network = ?1 AND user = ?2 AND topic IN (SELECT value FROM json_each(?3))`
	takeRestFromList = `DELETE FROM user_topics WHERE network = ?1 AND user = ?2 AND topic NOT IN (SELECT value FROM json_each(?3))`
)

// ChangeUserTopics changes the list of a user, and with it the topics of their devices. The
// list of nobody ("") is everybody's: devices follow it when they register.
func (s *Store) ChangeUserTopics(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, change store.TopicChange) error {
	statements := map[store.TopicOp][]string{
		store.TopicAdd:    {addToTheirs, addToList},
		store.TopicRemove: {takeFromTheirs, takeFromList},
		store.TopicSet:    {takeRestFromTheirs, takeRestFromList, addToTheirs, addToList},
	}[change.Op]
	if statements == nil {
		return fmt.Errorf("there is no operation %q on topics", change.Op)
	}
	topics := change.Topics
	if topics == nil {
		topics = []string{}
	}
	return s.do(ctx, "change the topics of a user", func(ctx context.Context, txn *tx) error {
		for _, statement := range statements {
			if _, err := txn.ExecContext(ctx, statement, network, user, encode(topics)); err != nil {
				return err
			}
		}
		return atMostTopics(ctx, txn, `SELECT COUNT(*) FROM (SELECT 1 FROM user_topics WHERE network = ? AND user = ? LIMIT ?)`, network, string(user))
	})
}
