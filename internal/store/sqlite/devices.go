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
	var d chatbell.Device
	var meta string
	var at int64
	if err := scan(&d.ID, &d.User, &d.Provider, &d.Platform, &d.Token, &d.App, &d.Locale, &d.Timezone, &d.Sandbox, &meta, &at, &d.Disabled); err != nil {
		return d, err
	}
	d.RegisteredAt = time.UnixMilli(at).UTC()
	if meta == "" {
		return d, nil
	}
	return d, decode(meta, &d.Meta)
}

// RegisterDevice stores a device and returns it with its id and time. The last
// registration wins: a device that was another user's is taken from them, and a token
// that another device had moves here, so that nobody is told twice.
func (s *Store) RegisterDevice(ctx context.Context, network chatbell.NetworkID, d chatbell.Device) (chatbell.Device, error) {
	if d.ID == "" {
		d.ID = chatbell.DeviceID(rand.Text())
	}
	d.RegisteredAt, d.Disabled = time.Now().UTC().Truncate(time.Millisecond), ""
	meta := ""
	if len(d.Meta) > 0 {
		meta = encode(d.Meta)
	}
	return d, s.do(ctx, "register device", func(ctx context.Context, q *tx) error {
		q.touchUser(network, d.User)
		if _, err := q.touchOwners(ctx, network, `DELETE FROM devices WHERE network = ? AND provider = ? AND app = ? AND token = ? AND id <> ? RETURNING user`,
			network, d.Provider, d.App, d.Token, d.ID); err != nil {
			return err
		}
		if _, err := q.touchOwners(ctx, network, `SELECT user FROM devices WHERE network = ? AND id = ?`, network, d.ID); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `INSERT OR REPLACE INTO devices (network, `+deviceColumns+`, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)`,
			network, d.ID, d.User, d.Provider, d.Platform, d.Token, d.App, d.Locale, d.Timezone, d.Sandbox, meta, d.RegisteredAt.UnixMilli(), s.now())
		return err
	})
}

// Device reads a device.
func (s *Store) Device(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID) (chatbell.Device, error) {
	d, err := scanDevice(s.read.QueryRowContext(ctx, `SELECT `+deviceColumns+` FROM devices WHERE network = ? AND id = ?`, network, id).Scan)
	return d, found("device", err)
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
	for _, d := range list {
		out[d.ID] = d
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
		d, err := scanDevice(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read devices: %w", err)
		}
		out = append(out, d)
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
// has that token and was registered before the provider knew. A zero time means that
// the provider did not say since when.
func (s *Store) RemoveDeadDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string, deadSince time.Time) (bool, error) {
	since := sql.NullInt64{Int64: deadSince.UnixMilli(), Valid: !deadSince.IsZero()}
	return s.changeDevice(ctx, "remove dead device", network, `DELETE FROM devices WHERE network = ? AND id = ? AND token = ? AND (? IS NULL OR registered_at < ?) RETURNING user`,
		network, id, token, since, since)
}

// DisableDevice keeps a device from being sent to until it registers again, if it
// still has the token.
func (s *Store) DisableDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string, why chatbell.Reason) (bool, error) {
	return s.changeDevice(ctx, "disable device", network, `UPDATE devices SET disabled = ? WHERE network = ? AND id = ? AND token = ? RETURNING user`,
		why, network, id, token)
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
