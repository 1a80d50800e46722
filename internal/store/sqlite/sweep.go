package sqlite

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// sweepSize is how many rows are removed in one transaction: a few milliseconds.
const sweepSize = 500

// sweepEvery is how often the store looks for tombstones that are old enough. Lists wake
// the sweeper themselves.
const sweepEvery = time.Minute

// tombstoneAge is how many events a deleted row is remembered for: as many as may
// wait to be matched.
const tombstoneAge = 1_000_000

// sweeper removes what nobody reads, little by little, beside all else.
type sweeper struct {
	signal chan struct{}
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// startSweeper begins at once: a killed process may have left something.
func (s *Store) startSweeper(log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	s.sweeper = &sweeper{signal: make(chan struct{}, 1), cancel: cancel}
	s.sweeper.wg.Go(func() {
		for {
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				log.Warn("the store could not remove old rows; it tries again in a minute", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-s.sweeper.signal:
			case <-time.After(sweepEvery):
			}
		}
	})
}

// wake says that there may be something to remove.
func (w *sweeper) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// stop waits for the rows that are being removed.
func (w *sweeper) stop() {
	w.cancel()
	w.wg.Wait()
}

// sweep removes all that there is to remove. After each transaction it rests for as long as
// that took, so that it never has more than half of the writer's time.
func (s *Store) sweep(ctx context.Context) error {
	for {
		began := time.Now()
		more, err := s.sweepSome(ctx)
		if err != nil || !more {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Since(began)):
		}
	}
}

func (s *Store) sweepSome(ctx context.Context) (more bool, err error) {
	old, found, err := s.oldGeneration(ctx)
	if err != nil {
		return false, err
	}
	if found {
		return true, s.sweepGeneration(ctx, old)
	}
	return s.sweepTombstones(ctx)
}

// oldGeneration is one that nobody reads and nobody writes.
func (s *Store) oldGeneration(ctx context.Context) (gen generation, found bool, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT network, channel, gen FROM old_members`)
	if err != nil {
		return gen, false, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&gen.network, &gen.channel, &gen.gen); err != nil {
			return gen, false, err
		}
		if !s.lists.isComing(gen) {
			return gen, true, nil
		}
	}
	return gen, false, rows.Err()
}

// sweepGeneration removes some of a generation's rows, and with the last of them the
// generation. Whether it is old is asked here once more: a list that came in when
// oldGeneration looked may have become the channel's since.
func (s *Store) sweepGeneration(ctx context.Context, gen generation) error {
	return s.do(ctx, "remove old members", func(ctx context.Context, txn *tx) error {
		var old bool
		if err := txn.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM old_members WHERE network = ? AND channel = ? AND gen = ?)`,
			gen.network, gen.channel, gen.gen).Scan(&old); err != nil || !old || s.lists.isComing(gen) {
			return err
		}
		res, err := txn.ExecContext(ctx, `DELETE FROM members WHERE network = ?1 AND channel = ?2 AND gen = ?3
			AND user IN (SELECT user FROM members WHERE network = ?1 AND channel = ?2 AND gen = ?3 LIMIT ?4 + 0)`, gen.network, gen.channel, gen.gen, sweepSize)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == sweepSize {
			return err
		}
		_, err = txn.ExecContext(ctx, `DELETE FROM old_members WHERE network = ? AND channel = ? AND gen = ?`, gen.network, gen.channel, gen.gen)
		return err
	})
}

// tombstones are the queries that remove some of those that no event can be older than. A
// channel stays until nothing of it is left, because it says which generation is its own.
var tombstones = []string{
	`DELETE FROM members WHERE (network, channel, gen, user) IN
		(SELECT network, channel, gen, user FROM members INDEXED BY members_gone WHERE deleted = 1 AND seq < ?1 LIMIT ?2 + 0)`,
	`DELETE FROM users WHERE (network, id) IN
		(SELECT network, id FROM users INDEXED BY users_gone WHERE deleted = 1 AND seq < ?1 LIMIT ?2 + 0)`,
	`DELETE FROM channels WHERE (network, id) IN
		(SELECT network, id FROM channels c INDEXED BY channels_gone WHERE deleted = 1 AND seq < ?1
			AND NOT EXISTS (SELECT 1 FROM members m WHERE m.network = c.network AND m.channel = c.id)
			AND NOT EXISTS (SELECT 1 FROM old_members o WHERE o.network = c.network AND o.channel = c.id) LIMIT ?2 + 0)`,
}

// sweepTombstones removes some, and reports whether there may be more. What was accepted
// since the last write makes nothing old enough that can't wait.
func (s *Store) sweepTombstones(ctx context.Context) (more bool, err error) {
	old := s.writer.newest.Load() - tombstoneAge
	if old <= 0 {
		return false, nil
	}
	for _, query := range tombstones {
		n, err := s.exec(ctx, "remove tombstones", query, old, sweepSize)
		if err != nil {
			return false, err
		}
		more = more || n == sweepSize
	}
	return more, nil
}
