package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

// RegisterWithTopics stores all that is to be known of a device, and returns its id. A
// token belongs to one device: another one that had it is gone. The topics of its user, and
// those of everybody, are among its topics.
func (s *Store) RegisterWithTopics(ctx context.Context, network chatbell.NetworkID, in store.Registration) (chatbell.DeviceID, error) {
	device := in.Device
	err := s.do(ctx, "register device with topics", func(ctx context.Context, txn *tx) error {
		if err := identify(ctx, txn, network, &in, &device); err != nil {
			return err
		}
		txn.touchUser(network, device.User)
		if _, err := txn.touchOwners(ctx, network, `SELECT user FROM devices WHERE network = ? AND id = ?`, network, device.ID); err != nil {
			return err
		}
		if _, err := txn.touchOwners(ctx, network, `DELETE FROM devices INDEXED BY devices_by_token_alone WHERE network = ? AND provider = ? AND token = ? AND id <> ? RETURNING user`,
			network, device.Provider, device.Token, device.ID); err != nil {
			return err
		}
		// The trigger adds the topics of the user, and those of everybody.
		if _, err := txn.ExecContext(ctx, `DELETE FROM device_topics WHERE network = ? AND device = ?`, network, device.ID); err != nil {
			return err
		}
		meta := ""
		if len(device.Meta) > 0 {
			meta = encode(device.Meta)
		}
		if _, err := txn.ExecContext(ctx, `INSERT OR REPLACE INTO devices (network, `+deviceColumns+`, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)`,
			network, device.ID, device.User, device.Provider, device.Platform, device.Token, device.App, device.Locale, device.Timezone, device.Sandbox, meta,
			time.Now().UnixMilli(), s.now()); err != nil {
			return err
		}
		if _, err := txn.ExecContext(ctx, `UPDATE device_records SET webpush_keys = ? WHERE network = ? AND device = ?`, in.WebPushKeys, network, device.ID); err != nil {
			return err
		}
		return addDeviceTopics(ctx, txn, network, device.ID, in.Topics)
	})
	return device.ID, err
}

// identify finds the device that is meant, with what a registration does not say of it.
func identify(ctx context.Context, txn *tx, network chatbell.NetworkID, in *store.Registration, device *chatbell.Device) error {
	query := `SELECT id, provider, app, sandbox FROM devices WHERE network = ? AND id = ?`
	args := []any{network, device.ID}
	if device.ID == "" {
		query = `SELECT id, provider, app, sandbox FROM devices INDEXED BY devices_by_token_alone WHERE network = ? AND provider = ? AND token = ? ORDER BY id LIMIT 1`
		args = []any{network, device.Provider, device.Token}
	}
	var known chatbell.Device
	err := txn.QueryRowContext(ctx, query, args...).Scan(&known.ID, &known.Provider, &known.App, &known.Sandbox)
	switch {
	case errors.Is(err, sql.ErrNoRows) && device.ID == "":
		device.ID = in.NewID
	case errors.Is(err, sql.ErrNoRows) && !in.Made:
		return store.ErrBadID
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		device.ID = known.ID
		if known.Provider == device.Provider {
			device.App = known.App
			device.Sandbox = known.Sandbox
		}
	}
	return nil
}

// ChangeDevices changes the devices of a choice, all or none.
func (s *Store) ChangeDevices(ctx context.Context, network chatbell.NetworkID, choice store.DeviceChoice, change store.DeviceChange) error {
	return s.do(ctx, "change devices", func(ctx context.Context, txn *tx) error {
		ids, err := chosen(ctx, txn, network, &choice)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := s.changeRows(ctx, txn, network, encode(ids), &change); err != nil {
			return err
		}
		if change.Topics == nil {
			return nil
		}
		for _, id := range ids {
			if err := changeDeviceTopics(ctx, txn, network, id, change.Topics); err != nil {
				return err
			}
		}
		return nil
	})
}

// changeRows changes what the rows of devices say. The ids are JSON.
func (s *Store) changeRows(ctx context.Context, txn *tx, network chatbell.NetworkID, ids string, change *store.DeviceChange) error {
	const these = ` WHERE network = ? AND id IN (SELECT value FROM json_each(?))`
	if _, err := txn.touchOwners(ctx, network, `SELECT user FROM devices`+these, network, ids); err != nil {
		return err
	}
	meta := (*string)(nil)
	if change.Meta != nil {
		text := ""
		if len(*change.Meta) > 0 {
			text = encode(*change.Meta)
		}
		meta = &text
	}
	if change.User != nil {
		txn.touchUser(network, *change.User)
		if _, err := txn.ExecContext(ctx, `UPDATE devices SET user = ?, seq = ?`+these, *change.User, s.now(), network, ids); err != nil {
			return err
		}
	}
	if _, err := txn.ExecContext(ctx, `UPDATE devices SET meta = COALESCE(?, meta), timezone = COALESCE(?, timezone), locale = COALESCE(?, locale)`+these,
		meta, change.Timezone, change.Locale, network, ids); err != nil {
		return err
	}
	_, err := txn.ExecContext(ctx, `UPDATE device_records SET updated_at = ? WHERE network = ? AND device IN (SELECT value FROM json_each(?))`,
		time.Now().UnixMilli(), network, ids)
	return err
}

// RemoveDevices removes the devices of a choice.
func (s *Store) RemoveDevices(ctx context.Context, network chatbell.NetworkID, choice store.DeviceChoice) error {
	return s.do(ctx, "remove devices", func(ctx context.Context, txn *tx) error {
		ids, err := chosen(ctx, txn, network, &choice)
		if err != nil || len(ids) == 0 {
			return err
		}
		_, err = txn.touchOwners(ctx, network, `DELETE FROM devices WHERE network = ? AND id IN (SELECT value FROM json_each(?)) RETURNING user`, network, encode(ids))
		return err
	})
}

// chosen are the ids of the devices of a choice.
func chosen(ctx context.Context, on querier, network chatbell.NetworkID, choice *store.DeviceChoice) ([]chatbell.DeviceID, error) {
	found, err := queryDevices(ctx, on, network, &store.DevicePage{Choice: *choice, Limit: maxChosen})
	if err == nil && len(found) == maxChosen {
		err = store.ErrTooMany
	}
	ids := make([]chatbell.DeviceID, len(found))
	for i := range found {
		ids[i] = found[i].ID
	}
	return ids, err
}

// maxChosen bounds the devices that one call changes: they are one transaction, which
// others wait for.
const maxChosen = 10_000
