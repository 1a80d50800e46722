package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

const deviceColumns = `id, user, provider, platform, token, app, locale, timezone, sandbox, meta, registered_at, disabled`

func scanDevice(scan func(...any) error) (chatbell.Device, error) {
	var device chatbell.Device
	var meta string
	var now int64
	if err := scan(&device.ID, &device.User, &device.Provider, &device.Platform, &device.Token, &device.App, &device.Locale, &device.Timezone, &device.Sandbox, &meta, &now, &device.Disabled); err != nil {
		return device, err
	}
	device.RegisteredAt = time.UnixMilli(now).UTC()
	if meta == "" {
		return device, nil
	}
	return device, decode(meta, &device.Meta)
}

// RegisterDevice stores a device and returns it with its id and time. The last
// registration wins: a device that was another user's is taken from them, and a token
// that another device had moves here, so that nobody is told twice.
func (s *Store) RegisterDevice(ctx context.Context, network chatbell.NetworkID, device chatbell.Device) (chatbell.Device, error) {
	return s.register(ctx, network, device, false)
}

// RegisterOwnDevice does the same, but for a device that is another user's: that is
// [store.ErrTaken].
func (s *Store) RegisterOwnDevice(ctx context.Context, network chatbell.NetworkID, device chatbell.Device) (chatbell.Device, error) {
	return s.register(ctx, network, device, true)
}

func (s *Store) register(ctx context.Context, network chatbell.NetworkID, device chatbell.Device, own bool) (chatbell.Device, error) {
	if device.ID == "" {
		device.ID = chatbell.DeviceID(rand.Text())
	}
	device.RegisteredAt = time.Now().UTC().Truncate(time.Millisecond)
	device.Disabled = ""
	meta := ""
	if len(device.Meta) > 0 {
		meta = encode(device.Meta)
	}
	return device, s.do(ctx, "register device", func(ctx context.Context, txn *tx) error {
		if own {
			var others bool
			if err := txn.QueryRowContext(ctx, `SELECT COUNT(*) FROM devices WHERE network = ? AND id = ? AND user <> ?`, network, device.ID, device.User).Scan(&others); err != nil {
				return err
			}
			if others {
				return store.ErrTaken
			}
		}
		txn.touchUser(network, device.User)
		if _, err := txn.touchOwners(ctx, network, `DELETE FROM devices WHERE network = ? AND provider = ? AND app = ? AND token = ? AND id <> ? RETURNING user`,
			network, device.Provider, device.App, device.Token, device.ID); err != nil {
			return err
		}
		if _, err := txn.touchOwners(ctx, network, `SELECT user FROM devices WHERE network = ? AND id = ?`, network, device.ID); err != nil {
			return err
		}
		_, err := txn.ExecContext(ctx, `INSERT OR REPLACE INTO devices (network, `+deviceColumns+`, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)`,
			network, device.ID, device.User, device.Provider, device.Platform, device.Token, device.App, device.Locale, device.Timezone, device.Sandbox, meta, device.RegisteredAt.UnixMilli(), s.now())
		return err
	})
}

// Device reads a device.
func (s *Store) Device(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID) (chatbell.Device, error) {
	device, err := scanDevice(s.read.QueryRowContext(ctx, `SELECT `+deviceColumns+` FROM devices WHERE network = ? AND id = ?`, network, id).Scan)
	return device, found("device", err)
}

// Devices lists devices in the order of their ids.
func (s *Store) Devices(ctx context.Context, network chatbell.NetworkID, f store.DeviceFilter) ([]chatbell.Device, error) {
	if f.User == "" {
		return s.devices(ctx, `SELECT `+deviceColumns+` FROM devices WHERE network = ? AND id > ? ORDER BY id LIMIT ?`, network, f.After, f.Limit)
	}
	return s.devices(ctx, `SELECT `+deviceColumns+` FROM devices INDEXED BY devices_by_user WHERE network = ? AND user = ? AND id > ? ORDER BY id LIMIT ?`,
		network, f.User, f.After, f.Limit)
}

// CheckDevices reads which of the devices can be sent to now.
func (s *Store) CheckDevices(ctx context.Context, network chatbell.NetworkID, ids []chatbell.DeviceID) (map[chatbell.DeviceID]chatbell.Device, error) {
	list, err := s.devices(ctx, `SELECT `+deviceColumns+` FROM devices WHERE network = ? AND disabled = '' AND id IN (SELECT value FROM json_each(?))`,
		network, encode(ids))
	out := make(map[chatbell.DeviceID]chatbell.Device, len(list))
	for _, device := range list {
		out[device.ID] = device
	}
	return out, err
}

func (s *Store) devices(ctx context.Context, query string, args ...any) (out []chatbell.Device, err error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		device, err := scanDevice(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read devices: %w", err)
		}
		out = append(out, device)
	}
	return out, rows.Err()
}

// DeleteDevice removes a device and reports whether it did. With a user it acts only
// if the device is that user's.
func (s *Store) DeleteDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, onlyIf chatbell.UserID) (bool, error) {
	return s.changeDevice(ctx, "delete device", network, `DELETE FROM devices WHERE network = ? AND id = ? AND (? = '' OR user = ?) RETURNING user`,
		network, id, onlyIf, onlyIf)
}

// RemoveDeadDevice removes a device whose token its provider called dead, if it still
// has that token and was registered before a time: when the provider knew, or when the try
// began. A zero time says nothing of when.
func (s *Store) RemoveDeadDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string, before time.Time) (bool, error) {
	return s.changeDevice(ctx, "remove dead device", network, `DELETE FROM devices WHERE network = ? AND id = ? AND token = ? AND (? IS NULL OR registered_at < ?) RETURNING user`,
		network, id, token, known(before), known(before))
}

// DisableDevice keeps a device from being sent to until it registers again, if it still has
// the token and was registered before a time: when the try began. A zero time says nothing
// of when.
func (s *Store) DisableDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string, before time.Time, why chatbell.Reason) (bool, error) {
	return s.changeDevice(ctx, "disable device", network, `UPDATE devices SET disabled = ? WHERE network = ? AND id = ? AND token = ? AND (? IS NULL OR registered_at < ?) RETURNING user`,
		why, network, id, token, known(before), known(before))
}

// EnableDevice takes back that a device was disabled, if it still has the token.
func (s *Store) EnableDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string) (bool, error) {
	return s.changeDevice(ctx, "enable device", network, `UPDATE devices SET disabled = '' WHERE network = ? AND id = ? AND token = ? AND disabled <> '' RETURNING user`,
		network, id, token)
}

// known is a time in milliseconds, or NULL for one that nobody knows.
func known(at time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: at.UnixMilli(), Valid: !at.IsZero()}
}

// changeDevice runs a query that changes at most one device, and returns whose it is. It
// reports whether there was one.
func (s *Store) changeDevice(ctx context.Context, what string, network chatbell.NetworkID, query string, args ...any) (acted bool, err error) {
	err = s.do(ctx, what, func(ctx context.Context, q *tx) error {
		n, err := q.touchOwners(ctx, network, query, args...)
		acted = n > 0
		return err
	})
	return acted, err
}
