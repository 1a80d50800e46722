package clickhouse

import (
	"context"
	"errors"
	"fmt"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"chatbell"
	"chatbell/analytics"
)

// A query has the ids that it asks for in its text. ClickHouse takes 256 KiB
// (max_query_size), and each byte of an id may need a second one that quotes it.
const (
	lookupPage  = 1000
	lookupBytes = 100 << 10
)

// Known tells which of the rows the tables have.
func (s *Store) Known(ctx context.Context, rows *chatbell.Results) (*analytics.Known, error) {
	known := &analytics.Known{
		Deliveries: map[analytics.DeliveryKey]struct{}{}, Attempts: map[analytics.AttemptKey]struct{}{}, Events: map[analytics.EventKey]struct{}{},
	}
	var ids, tries, events []string
	for i := range rows.Deliveries {
		ids = append(ids, string(rows.Deliveries[i].DeliveryID))
	}
	for i := range rows.Attempts {
		tries = append(tries, string(rows.Attempts[i].DeliveryID))
	}
	for i := range rows.Events {
		events = append(events, string(rows.Events[i].EventID))
	}
	err := s.lookup(ctx, ids, "SELECT DISTINCT toString(delivery_id), replay FROM {db}.deliveries WHERE delivery_id IN (?)", func(id string, n uint32) {
		known.Deliveries[analytics.DeliveryKey{ID: chatbell.UUID(id), Replay: n}] = struct{}{}
	})
	if err == nil {
		err = s.lookup(ctx, tries, "SELECT DISTINCT toString(delivery_id), number FROM {db}.attempts WHERE delivery_id IN (?)", func(id string, n uint32) {
			known.Attempts[analytics.AttemptKey{ID: chatbell.UUID(id), Number: n}] = struct{}{}
		})
	}
	if err == nil {
		err = s.knownEvents(ctx, events, known)
	}
	return known, err
}

func (s *Store) knownEvents(ctx context.Context, ids []string, known *analytics.Known) error {
	return s.pages(ctx, ids, "SELECT DISTINCT toString(network), event_id FROM {db}.events WHERE event_id IN (?)", func(rows driver.Rows) error {
		var network, id string
		if err := rows.Scan(&network, &id); err != nil {
			return err
		}
		known.Events[analytics.EventKey{Network: chatbell.NetworkID(network), ID: chatbell.EventID(id)}] = struct{}{}
		return nil
	})
}

func (s *Store) lookup(ctx context.Context, ids []string, query string, found func(string, uint32)) error {
	return s.pages(ctx, ids, query, func(rows driver.Rows) error {
		var id string
		var n uint32
		if err := rows.Scan(&id, &n); err != nil {
			return err
		}
		found(id, n)
		return nil
	})
}

// pages asks for ids a page at a time. Each page has the time of a query: all together
// may take longer in a large table.
func (s *Store) pages(ctx context.Context, ids []string, query string, scan func(driver.Rows) error) error {
	for len(ids) > 0 {
		n := pageOf(ids)
		if err := s.page(ctx, ids[:n], query, scan); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (s *Store) page(ctx context.Context, ids []string, query string, scan func(driver.Rows) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	rows, err := s.conn.Query(consistent(ctx), s.name(query), ids)
	if err != nil {
		return fmt.Errorf("look up rows: %w", unanswered(err))
	}
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(fmt.Errorf("look up rows: %w", unanswered(err)), rows.Close())
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("look up rows: %w", unanswered(err))
	}
	return nil
}

// consistent makes a query see all that was inserted before, also where a server's
// replicas answer in turn. Elsewhere it costs nothing.
func consistent(ctx context.Context) context.Context {
	return ch.Context(ctx, ch.WithSettings(ch.Settings{"select_sequential_consistency": 1}))
}

// pageOf counts the ids that go into one query, at least one.
func pageOf(ids []string) int {
	size := 0
	for i, id := range ids {
		if size += len(id); i > 0 && (i == lookupPage || size > lookupBytes) {
			return i
		}
	}
	return len(ids)
}
