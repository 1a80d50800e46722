package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"chatbell/internal/store"
)

// PutWaiting puts batches into the backlogs of their destinations, all or none, and
// returns their places. A batch whose id is there already stays as it is.
func (s *Store) PutWaiting(ctx context.Context, rows []store.Waiting) (places []int64, err error) {
	err = s.do(ctx, "store waiting batches", func(ctx context.Context, q *tx) error {
		places, err = putWaiting(ctx, q, rows)
		return err
	})
	return places, err
}

func putWaiting(ctx context.Context, conn querier, rows []store.Waiting) ([]int64, error) {
	places := make([]int64, len(rows))
	for i := range rows {
		r := &rows[i]
		if _, err := conn.ExecContext(ctx, `INSERT INTO waiting (id, destination, kind, due_at, since, payload) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			r.ID, r.Destination, string(r.Kind), r.DueAt.UnixMilli(), toMillis(r.Since), r.Payload); err != nil {
			return nil, err
		}
		if err := conn.QueryRowContext(ctx, `SELECT seq FROM waiting WHERE id = ?`, r.ID).Scan(&places[i]); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// SettleWaiting stores what became of batches that waited.
func (s *Store) SettleWaiting(ctx context.Context, settled store.Settled) error {
	return s.do(ctx, "settle waiting batches", func(ctx context.Context, txn *tx) error {
		if len(settled.Done) > 0 {
			if _, err := txn.ExecContext(ctx, `DELETE FROM waiting WHERE seq IN (SELECT value FROM json_each(?))`, encode(settled.Done)); err != nil {
				return err
			}
		}
		for i := range settled.Again {
			r := &settled.Again[i]
			if _, err := txn.ExecContext(ctx, `UPDATE waiting SET due_at = ?, payload = ? WHERE seq = ?`, r.DueAt.UnixMilli(), r.Payload, r.Seq); err != nil {
				return err
			}
		}
		_, err := putWaiting(ctx, txn, settled.New)
		return err
	})
}

// Waiting reads a page of a destination's backlog.
func (s *Store) Waiting(ctx context.Context, w store.WaitingQuery) (out []store.Waiting, err error) {
	const columns = `SELECT seq, id, destination, kind, due_at, since, payload FROM waiting `
	var rows *sql.Rows
	switch {
	case !w.Since.IsZero():
		rows, err = s.read.QueryContext(ctx, columns+`INDEXED BY waiting_by_age WHERE destination = ? AND since = ? AND seq > ? ORDER BY seq LIMIT ?`,
			w.Destination, w.Since.UnixMilli(), w.After, w.Limit)
	case !w.Before.IsZero():
		rows, err = s.read.QueryContext(ctx, columns+`INDEXED BY waiting_by_age WHERE destination = ? AND since < ? ORDER BY since, seq LIMIT ?`,
			w.Destination, w.Before.UnixMilli(), w.Limit)
	case w.Due.IsZero():
		rows, err = s.read.QueryContext(ctx, columns+`INDEXED BY waiting_by_order WHERE destination = ? ORDER BY seq LIMIT ?`, w.Destination, w.Limit)
	default:
		rows, err = s.read.QueryContext(ctx, columns+`INDEXED BY waiting_by_due WHERE destination = ? AND due_at <= ? ORDER BY due_at, seq LIMIT ?`,
			w.Destination, w.Due.UnixMilli(), w.Limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read waiting batches: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r store.Waiting
		var due, since int64
		if err := rows.Scan(&r.Seq, &r.ID, &r.Destination, &r.Kind, &due, &since, &r.Payload); err != nil {
			return nil, fmt.Errorf("read waiting batches: %w", err)
		}
		r.DueAt = time.UnixMilli(due)
		r.Since = fromMillis(since)
		out = append(out, r)
	}
	return out, rows.Err()
}

// Backlogs sums up what waits, for each destination for which anything does. It costs
// the same whether a thousand batches wait for one or a million.
func (s *Store) Backlogs(ctx context.Context) (out []store.Backlog, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT destination, kind, total, bytes,
			(SELECT MIN(due_at) FROM waiting INDEXED BY waiting_by_due WHERE waiting.destination = waiting_totals.destination),
			(SELECT MIN(since) FROM waiting INDEXED BY waiting_by_age WHERE waiting.destination = waiting_totals.destination)
		FROM waiting_totals WHERE total > 0 ORDER BY destination`)
	if err != nil {
		return nil, fmt.Errorf("count waiting batches: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var b store.Backlog
		var next, oldest int64
		if err := rows.Scan(&b.Destination, &b.Kind, &b.Rows, &b.Bytes, &next, &oldest); err != nil {
			return nil, fmt.Errorf("count waiting batches: %w", err)
		}
		b.Next = time.UnixMilli(next)
		b.Oldest = fromMillis(oldest)
		out = append(out, b)
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
