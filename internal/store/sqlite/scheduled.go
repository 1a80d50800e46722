package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

// PutScheduled keeps a request until its time. What is there already, with the same
// content, stays as it is; with another content it is a conflict.
func (s *Store) PutScheduled(ctx context.Context, in store.Scheduled) error {
	return s.do(ctx, "schedule a request", func(ctx context.Context, txn *tx) error {
		var same bool
		err := txn.QueryRowContext(ctx, `SELECT payload = ? AND due_at = ? FROM scheduled WHERE network = ? AND kind = ? AND id = ?`,
			in.Payload, in.DueAt.UnixMilli(), in.Network, in.Kind, in.ID).Scan(&same)
		switch {
		case err == nil && same:
			return nil
		case err == nil:
			return store.ErrConflict
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		total := 0
		err = txn.QueryRowContext(ctx, `SELECT total FROM scheduled_totals WHERE network = ?`, in.Network).Scan(&total)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if total >= store.MaxScheduled {
			return store.ErrTooMany
		}
		_, err = txn.ExecContext(ctx, `INSERT INTO scheduled (network, kind, id, key, due_at, payload) VALUES (?, ?, ?, ?, ?, ?)`,
			in.Network, in.Kind, in.ID, in.Key, in.DueAt.UnixMilli(), in.Payload)
		return err
	})
}

// CancelScheduled takes a request back, and reports whether it was still there.
func (s *Store) CancelScheduled(ctx context.Context, network chatbell.NetworkID, kind, id string) (bool, error) {
	n, err := s.exec(ctx, "cancel a request", `DELETE FROM scheduled WHERE network = ? AND kind = ? AND id = ? AND claimed = 0`, network, kind, id)
	return n > 0, err
}

// ClaimScheduled takes requests whose time has come, the first first. They can't be
// cancelled any more, and come again with the next claim until they are done.
func (s *Store) ClaimScheduled(ctx context.Context, now time.Time, limit int) (out []store.Scheduled, err error) {
	err = s.do(ctx, "claim scheduled requests", func(ctx context.Context, txn *tx) error {
		out, err = dueScheduled(ctx, txn, now, limit)
		if err != nil {
			return err
		}
		for i := range out {
			if _, err := txn.ExecContext(ctx, `UPDATE scheduled SET claimed = 1 WHERE network = ? AND kind = ? AND id = ?`, out[i].Network, out[i].Kind, out[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func dueScheduled(ctx context.Context, on querier, now time.Time, limit int) (out []store.Scheduled, err error) {
	rows, err := on.QueryContext(ctx, `SELECT network, kind, id, key, due_at, payload FROM scheduled INDEXED BY scheduled_by_due WHERE due_at <= ? ORDER BY due_at, network, kind, id LIMIT ?`,
		now.UnixMilli(), limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var one store.Scheduled
		var due int64
		if err := rows.Scan(&one.Network, &one.Kind, &one.ID, &one.Key, &due, &one.Payload); err != nil {
			return nil, err
		}
		one.DueAt = time.UnixMilli(due).UTC()
		out = append(out, one)
	}
	return out, rows.Err()
}

// PostponeScheduled gives back a request that was claimed, until another time: it can be
// cancelled again.
func (s *Store) PostponeScheduled(ctx context.Context, network chatbell.NetworkID, kind, id string, due time.Time) error {
	_, err := s.exec(ctx, "postpone a scheduled request", `UPDATE scheduled SET claimed = 0, due_at = ? WHERE network = ? AND kind = ? AND id = ?`,
		due.UnixMilli(), network, kind, id)
	return err
}

// ScheduledDone forgets a request that was claimed.
func (s *Store) ScheduledDone(ctx context.Context, network chatbell.NetworkID, kind, id string) error {
	_, err := s.exec(ctx, "finish a scheduled request", `DELETE FROM scheduled WHERE network = ? AND kind = ? AND id = ?`, network, kind, id)
	return err
}

// NextScheduled is when the first request is due; zero if none waits.
func (s *Store) NextScheduled(ctx context.Context) (time.Time, error) {
	var due int64
	err := s.read.QueryRowContext(ctx, `SELECT due_at FROM scheduled INDEXED BY scheduled_by_due WHERE due_at >= 0 ORDER BY due_at LIMIT 1`).Scan(&due)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read when the first scheduled request is due: %w", asUnavailable(err))
	}
	return time.UnixMilli(due).UTC(), nil
}
