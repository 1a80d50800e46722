package sqlite

import (
	"context"
	"errors"

	"chatbell"
	"chatbell/internal/store"
)

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
	_, err := s.exec(ctx, "put cursor", `INSERT OR REPLACE INTO recorder_cursor VALUES (1, ?, ?)`, int64(c.Done), int64(c.Through))
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
