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

// PutLater stores work until it is due; the same id twice is stored once.
func (s *Store) PutLater(ctx context.Context, rows []store.Later) error {
	return s.do(ctx, "store waiting work", func(ctx context.Context, q querier) error {
		for _, r := range rows {
			if _, err := q.ExecContext(ctx, `INSERT INTO later (id, due_at, destination, topic, payload, kind, since) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				r.ID, r.DueAt.UnixMilli(), r.Destination, r.Topic, r.Payload, string(r.Kind), toMillis(r.Since)); err != nil {
				return err
			}
		}
		return nil
	})
}

// DueLater reads the work that is due, the oldest first.
func (s *Store) DueLater(ctx context.Context, now time.Time, limit int) (out []store.Later, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, due_at, destination, topic, payload, kind, since FROM later WHERE due_at <= ? ORDER BY due_at LIMIT ?`, now.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("read due work: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var l store.Later
		var at, since int64
		if err := rows.Scan(&l.ID, &at, &l.Destination, &l.Topic, &l.Payload, &l.Kind, &since); err != nil {
			return nil, fmt.Errorf("read due work: %w", err)
		}
		l.DueAt = time.UnixMilli(at)
		l.Since = fromMillis(since)
		out = append(out, l)
	}
	return out, rows.Err()
}

// DeleteLater removes work that was given back.
func (s *Store) DeleteLater(ctx context.Context, ids []string) error {
	_, err := s.exec(ctx, "delete waiting work", `DELETE FROM later WHERE id IN (SELECT value FROM json_each(?))`, encode(ids))
	return err
}

// NextLater is when the next work is due; false when none waits.
func (s *Store) NextLater(ctx context.Context) (time.Time, bool, error) {
	var at sql.NullInt64
	if err := s.read.QueryRowContext(ctx, `SELECT MIN(due_at) FROM later`).Scan(&at); err != nil {
		return time.Time{}, false, fmt.Errorf("read when work is due: %w", err)
	}
	return time.UnixMilli(at.Int64), at.Valid, nil
}

// Waiting sums up what waits, by kind. It costs the same whether a thousand rows wait or
// a million: triggers count them, and an index has the oldest first.
func (s *Store) Waiting(ctx context.Context) (out []store.Waiting, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT kind, total, (SELECT MIN(since) FROM later INDEXED BY later_by_kind WHERE later.kind = later_totals.kind)
		FROM later_totals WHERE total > 0 ORDER BY kind`)
	if err != nil {
		return nil, fmt.Errorf("count waiting work: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var w store.Waiting
		var oldest int64
		if err := rows.Scan(&w.Kind, &w.Rows, &oldest); err != nil {
			return nil, fmt.Errorf("count waiting work: %w", err)
		}
		w.Oldest = fromMillis(oldest)
		out = append(out, w)
	}
	return out, rows.Err()
}

// toMillis and fromMillis keep a time that was never set apart from 1970.
func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Checkpoint reads what was put under a key; nil when nothing was.
func (s *Store) Checkpoint(ctx context.Context, key string) ([]byte, error) {
	var data []byte
	err := found("checkpoint", s.read.QueryRowContext(ctx, `SELECT data FROM checkpoints WHERE key = ?`, key).Scan(&data))
	if errors.Is(err, chatbell.ErrNotFound) {
		return nil, nil
	}
	return data, err
}

// PutCheckpoint replaces what is under a key.
func (s *Store) PutCheckpoint(ctx context.Context, key string, data []byte) error {
	_, err := s.exec(ctx, "put checkpoint", `INSERT OR REPLACE INTO checkpoints VALUES (?, ?)`, key, data)
	return err
}

// DeleteCheckpoint forgets a key.
func (s *Store) DeleteCheckpoint(ctx context.Context, key string) error {
	_, err := s.exec(ctx, "delete checkpoint", `DELETE FROM checkpoints WHERE key = ?`, key)
	return err
}

// RecorderCursor reads how far the recorder has come.
func (s *Store) RecorderCursor(ctx context.Context) (c store.Cursor, err error) {
	err = found("cursor", s.read.QueryRowContext(ctx, `SELECT done, through FROM recorder_cursor`).Scan(&c.Done, &c.Through))
	if errors.Is(err, chatbell.ErrNotFound) {
		return store.Cursor{}, nil
	}
	return c, err
}

// PutRecorderCursor stores how far the recorder has come.
func (s *Store) PutRecorderCursor(ctx context.Context, c store.Cursor) error {
	_, err := s.exec(ctx, "put cursor", `INSERT OR REPLACE INTO recorder_cursor VALUES (1, ?, ?)`, int64(c.Done), int64(c.Through)) //nolint:gosec // sequences stay far below 2^63
	return err
}

// Meta reads a value that the server keeps for itself.
func (s *Store) Meta(ctx context.Context, key string) (value string, err error) {
	return value, found("meta", s.read.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = ?`, key).Scan(&value))
}

// PutMeta replaces a value that the server keeps for itself.
func (s *Store) PutMeta(ctx context.Context, key, value string) error {
	_, err := s.exec(ctx, "put meta", `INSERT OR REPLACE INTO meta VALUES (?, ?)`, key, value)
	return err
}
