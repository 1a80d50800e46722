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
			if _, err := q.ExecContext(ctx, `INSERT INTO later VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				r.ID, r.DueAt.UnixMilli(), r.Destination, r.Topic, r.Payload); err != nil {
				return err
			}
		}
		return nil
	})
}

// DueLater reads the work that is due, the oldest first.
func (s *Store) DueLater(ctx context.Context, now time.Time, limit int) (out []store.Later, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, due_at, destination, topic, payload FROM later WHERE due_at <= ? ORDER BY due_at LIMIT ?`, now.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("read due work: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var l store.Later
		var at int64
		if err := rows.Scan(&l.ID, &at, &l.Destination, &l.Topic, &l.Payload); err != nil {
			return nil, fmt.Errorf("read due work: %w", err)
		}
		l.DueAt = time.UnixMilli(at)
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
