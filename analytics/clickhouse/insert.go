package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"chatbell"
	"chatbell/analytics"
	"chatbell/internal/row"
)

// The tables' columns, as the rows' structs declare them.
var (
	deliveries = row.Of[chatbell.Delivery]()
	attempts   = row.Of[chatbell.Attempt]()
	events     = row.Of[chatbell.AcceptedEvent]()
)

// table is one that the recorder fills.
type table[R any] struct {
	name    string
	columns *row.Table[R]
	// aged is the time by which the table is partitioned, in months. What one insert
	// brings to one month is one part, which is there whole or not at all.
	aged func(*R) time.Time
	// missing are those of the rows that the table does not have.
	missing func(context.Context, *Store, []R) ([]R, error)
	// before, if any, is called before the rows of a month are inserted for the first time.
	before func(ctx context.Context, s *Store, token string, rows []R, again bool) error
}

var (
	deliveryTable = &table[chatbell.Delivery]{
		"deliveries", deliveries, func(d *chatbell.Delivery) time.Time { return d.AcceptedAt }, missingDeliveries, rollUp,
	}
	attemptTable = &table[chatbell.Attempt]{
		"attempts", attempts, func(a *chatbell.Attempt) time.Time { return a.At }, missingAttempts, nil,
	}
	eventTable = &table[chatbell.AcceptedEvent]{
		"events", events, func(e *chatbell.AcceptedEvent) time.Time { return e.AcceptedAt }, missingEvents, nil,
	}
)

// Insert writes the rows of a block that nobody has begun to write: each table's in an
// insert of its own, under the block's token.
func (s *Store) Insert(ctx context.Context, token string, rows *chatbell.Results) error {
	return s.put(ctx, token, rows, false)
}

// Repeat writes what is not there of a block whose insert or repeat broke off, or may
// still be going on, in the tables and in the roll-up.
//
// The token alone would not do. The engine writes it down before it puts a part in its
// place, or after that, depending on its version. Killed between the two it drops the
// repeat of rows that it does not have, or takes rows twice.
func (s *Store) Repeat(ctx context.Context, token string, rows *chatbell.Results) error {
	return s.put(ctx, token, rows, true)
}

// put goes on with the next table when one is finished: what keeps one away keeps the
// others away too, and is told once.
func (s *Store) put(ctx context.Context, token string, rows *chatbell.Results, again bool) error {
	if err := putTable(ctx, s, deliveryTable, token, rows.Deliveries, again); err != nil {
		return err
	}
	if err := putTable(ctx, s, attemptTable, token, rows.Attempts, again); err != nil {
		return err
	}
	return putTable(ctx, s, eventTable, token, rows.Events, again)
}

// putTable writes the rows of one table, a month at a time.
func putTable[R any](ctx context.Context, s *Store, t *table[R], token string, rows []R, again bool) error {
	for len(rows) > 0 {
		var month string
		var first []R
		month, first, rows = t.firstMonth(rows)
		if err := putMonth(ctx, s, t, token+"-"+month, first, again); err != nil {
			return err
		}
	}
	return nil
}

// firstMonth takes the rows of the first one's month out of the others. Nearly always it
// is all of them.
func (t *table[R]) firstMonth(rows []R) (month string, first, rest []R) {
	monthOf := func(r *R) int {
		when := storable(t.aged(r)).UTC()
		return when.Year()*100 + int(when.Month())
	}
	wanted := monthOf(&rows[0])
	same := 1
	for same < len(rows) && monthOf(&rows[same]) == wanted {
		same++
	}
	first = rows[:same:same]
	for i := same; i < len(rows); i++ {
		if monthOf(&rows[i]) == wanted {
			first = append(first, rows[i])
		} else {
			rest = append(rest, rows[i])
		}
	}
	return fmt.Sprint(wanted), first, rest
}

// repeats is how often a repeat inserts rows that it does not find. Each time under
// another token, because the engine can have noted the one before for rows that it lost.
// That takes a kill between two system calls; five of them, at the same rows, do not
// happen, so that rows which are never seen were taken and have gone: they are older than
// what the table keeps.
const repeats = 5

// putMonth writes rows that are one part.
func putMonth[R any](ctx context.Context, store *Store, t *table[R], token string, rows []R, again bool) (err error) {
	for n := range repeats {
		if again {
			if rows, err = t.missing(ctx, store, rows); err != nil || len(rows) == 0 {
				return err
			}
		}
		b, err := prepareRows(ctx, store, t, numbered(token, n), rows)
		if err != nil {
			return err
		}
		if n == 0 && t.before != nil { // rows that cannot be written are not counted either
			if err := t.before(ctx, store, token, rows, again); err != nil {
				return errors.Join(err, b.abort())
			}
		}
		if err := b.send(); err != nil || !again {
			return err
		}
	}
	return nil
}

// numbered is the token of the n-th time that rows are inserted.
func numbered(token string, n int) string {
	if n == 0 {
		return token
	}
	return fmt.Sprint(token, "-", n)
}

// prepareRows makes the block of a table's rows.
func prepareRows[R any](ctx context.Context, s *Store, t *table[R], token string, rows []R) (*batch, error) {
	columns := t.columns.Columns()
	values := make([]any, len(columns))
	return s.newBatch(ctx, t.name, t.columns.Names(), token, len(rows), func(i int) []any {
		putValues(values, columns, row.At(&rows[i]))
		return values
	})
}

// batch is one block for one table, which is inserted unless its token was there. Whoever
// has one sends or aborts it.
type batch struct {
	driver.Batch
	table  string
	rows   int
	cancel context.CancelFunc
}

// newBatch makes a block of n rows of values.
func (s *Store) newBatch(ctx context.Context, table, columns, token string, n int, values func(int) []any) (*batch, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	b := &batch{nil, table, n, cancel}
	err := s.prepare(ctx)
	if err == nil {
		ctx = ch.Context(ctx, ch.WithSettings(ch.Settings{"insert_deduplicate": 1, "insert_deduplication_token": table + "-" + token}))
		b.Batch, err = s.conn.PrepareBatch(ctx, "INSERT INTO "+s.database+"."+table+" ("+columns+")")
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("insert into %s: %w", table, unanswered(err))
	}
	for i := range n {
		if err := b.Append(values(i)...); err != nil {
			return nil, errors.Join(fmt.Errorf("insert into %s: row %d: %w", table, i, err), b.abort())
		}
	}
	return b, nil
}

func (b *batch) send() error {
	defer b.cancel()
	if err := b.Send(); err != nil {
		return fmt.Errorf("insert %d rows into %s: %w", b.rows, b.table, unanswered(err))
	}
	return nil
}

func (b *batch) abort() error {
	defer b.cancel()
	return b.Abort()
}

// without are the rows that are not known.
func without[R any](rows []R, known func(*R) bool) (missing []R) {
	for i := range rows {
		if !known(&rows[i]) {
			missing = append(missing, rows[i])
		}
	}
	return missing
}

func missingDeliveries(ctx context.Context, s *Store, rows []chatbell.Delivery) ([]chatbell.Delivery, error) {
	known, err := s.Known(ctx, &chatbell.Results{Deliveries: rows})
	return without(rows, func(d *chatbell.Delivery) bool {
		_, ok := known.Deliveries[analytics.DeliveryKey{ID: d.DeliveryID, Replay: d.Replay}]
		return ok
	}), err
}

func missingAttempts(ctx context.Context, s *Store, rows []chatbell.Attempt) ([]chatbell.Attempt, error) {
	known, err := s.Known(ctx, &chatbell.Results{Attempts: rows})
	return without(rows, func(a *chatbell.Attempt) bool {
		_, ok := known.Attempts[analytics.AttemptKey{ID: a.DeliveryID, Number: a.Number}]
		return ok
	}), err
}

func missingEvents(ctx context.Context, s *Store, rows []chatbell.AcceptedEvent) ([]chatbell.AcceptedEvent, error) {
	known, err := s.Known(ctx, &chatbell.Results{Events: rows})
	return without(rows, func(e *chatbell.AcceptedEvent) bool {
		_, ok := known.Events[analytics.EventKey{Network: e.Network, ID: e.EventID}]
		return ok
	}), err
}

// putValues puts a row's values in the order of its columns.
func putValues(values []any, columns []row.Column, r row.Ref) {
	for i := range columns {
		column := &columns[i]
		switch column.Kind {
		case row.Text:
			values[i] = *column.Text(r)
		case row.Small:
			values[i] = *column.Small(r)
		case row.Number:
			values[i] = *column.Number(r)
		case row.Moment:
			values[i] = storable(*column.Moment(r))
		case row.Truth:
			values[i] = *column.Truth(r)
		}
	}
}

// The bounds of a DateTime64 that clickhouse-go can write: it counts nanoseconds.
var (
	firstTime = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(2262, 4, 11, 23, 47, 16, 0, time.UTC)
)

// storable moves a time that a backend claims, which may be any, to the nearest that
// the tables can hold. Without it, the year 9999 would read as 1816.
func storable(t time.Time) time.Time {
	switch {
	case t.IsZero(): // the column's zero, 1970
		return t
	case t.Before(firstTime):
		return firstTime
	case t.After(lastTime):
		return lastTime
	}
	return t
}
