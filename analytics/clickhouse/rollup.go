package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"chatbell"
)

// The roll-up is counted here and not by a materialized view, which nobody can ask which
// blocks it has counted: each row bears the mark of the last block that is in it.

// hourColumns are the roll-up's, as an insert lists them.
const hourColumns = "hour, network, event_type, target, outcome, level, reason, deliveries, latency_ms_sum, latency_ms_max, block"

// hourKey is what the roll-up counts by.
type hourKey struct {
	hour                                               time.Time
	network, eventType, target, outcome, level, reason string
}

// hourCount is what it counts.
type hourCount struct {
	deliveries, latencySum uint64
	latencyMax             uint32
}

// The bounds of a DateTime, which counts seconds in 32 bits.
var (
	firstHour = time.Unix(0, 0).UTC()
	lastHour  = time.Date(2106, 2, 7, 6, 0, 0, 0, time.UTC)
)

func keyOf(row *chatbell.Delivery) hourKey {
	hour := storable(row.AcceptedAt).UTC().Truncate(time.Hour)
	switch {
	case hour.Before(firstHour):
		hour = firstHour
	case hour.After(lastHour):
		hour = lastHour
	}
	return hourKey{
		hour, string(row.Network), string(row.EventType), string(row.Target), string(row.Outcome), string(row.Level), string(row.Reason),
	}
}

// rollUp counts deliveries that are about to become one part of their table, once.
//
// It comes before the part. Where the part is, it has been counted, and a repeat of its
// block does not come here; where the part is not, the repeat has the same rows and the
// same mark, by which it finds out whether they were counted.
func rollUp(ctx context.Context, store *Store, token string, rows []chatbell.Delivery, again bool) error {
	counts := map[hourKey]hourCount{}
	for i := range rows {
		key := keyOf(&rows[i])
		c := counts[key]
		c.deliveries++
		c.latencySum += uint64(rows[i].LatencyMS)
		c.latencyMax = max(c.latencyMax, rows[i].LatencyMS)
		counts[key] = c
	}
	keys := make([]hourKey, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	mark := markOf(token)
	for n := range repeats {
		if again {
			if done, err := store.counted(ctx, keys[0], mark); err != nil || done {
				return err
			}
		}
		b, err := store.newBatch(ctx, "deliveries_hourly", hourColumns, numbered(token, n), len(keys), func(i int) []any {
			k := &keys[i]
			c := counts[*k]
			return []any{k.hour, k.network, k.eventType, k.target, k.outcome, k.level, k.reason, c.deliveries, c.latencySum, c.latencyMax, mark}
		})
		if err != nil {
			return err
		}
		if err := b.send(); err != nil || !again {
			return err
		}
	}
	return nil
}

// markOf makes the mark of a block of a token. No other block that could be the last one
// in the same row has it.
func markOf(token string) uint64 {
	sum := sha256.Sum256([]byte(token))
	return binary.BigEndian.Uint64(sum[:])
}

// counted tells whether a block with a mark is in the roll-up, by one of its rows: they
// all are in one part. No later block can have taken its mark away, because blocks come
// one after another, each when the one before is there.
func (s *Store) counted(ctx context.Context, hour hourKey, mark uint64) (found bool, err error) {
	ctx, cancel := context.WithTimeout(consistent(ctx), queryTimeout)
	defer cancel()
	if err := s.prepare(ctx); err != nil {
		return false, err
	}
	rows, err := s.conn.Query(ctx, s.name(`SELECT 1 FROM {db}.deliveries_hourly WHERE network = ? AND hour = toDateTime(?, 'UTC')
		AND event_type = ? AND target = ? AND outcome = ? AND level = ? AND reason = ? AND block = ? LIMIT 1`),
		hour.network, hour.hour.Unix(), hour.eventType, hour.target, hour.outcome, hour.level, hour.reason, mark)
	if err != nil {
		return false, fmt.Errorf("ask the roll-up for a block: %w", unanswered(err))
	}
	found = rows.Next()
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return false, fmt.Errorf("ask the roll-up for a block: %w", unanswered(err))
	}
	return found, nil
}
