package deliver

import (
	"context"
	"fmt"
	"time"

	"chatbell/internal/store"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// caps bound the backlogs: what is over them falls out, the oldest first.
type caps struct {
	rows  int64 // of one destination
	bytes int64 // of one destination
	all   int64 // bytes of all destinations
}

// backlogCaps are the bounds. An endpoint that gets 50 calls a second has five hours to come
// back before the first is lost, and a million calls are made up for within minutes; a
// gibibyte of them, or eight for all, leave the disk to the streams.
var backlogCaps = caps{rows: 1_000_000, bytes: 1 << 30, all: 8 << 30}

const (
	// sweepEvery is how often the backlogs are looked through.
	sweepEvery = 30 * time.Second
	// sweepPage is how many batches are ended in one go: some 8 MiB at most, and a
	// transaction of a few milliseconds.
	sweepPage = 256
	// trimShare is the part of a bound that is made free when it is reached.
	trimShare = 100
	// sweepWait is the time between looks whether a page has been settled.
	sweepWait = 5 * time.Millisecond
)

// sweeper ends what has waited for too long, or is too much: each with a row, although its
// destination is away and nothing is tried. It runs beside the drainers.
type sweeper struct {
	*Dispatcher
	caps caps
	soon chan struct{} // capacity 1: a backlog has become too long
}

// run sweeps now and then until the context ends.
func (s *sweeper) run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("cannot end what has waited for too long; trying again", "error", err)
		}
		select {
		case <-ticker.C:
		case <-s.soon:
		case <-ctx.Done():
			return
		}
	}
}

// sweep looks through all backlogs once.
func (s *sweeper) sweep(ctx context.Context) error {
	if s.cfg.Paused() { // the rows could not be written down
		return nil
	}
	backlogs, err := s.cfg.Waiting.Backlogs(ctx)
	if err != nil {
		return fmt.Errorf("read what waits: %w", err)
	}
	total := int64(0)
	for i := range backlogs {
		b := &backlogs[i]
		to, err := work.ParseDestination(b.Destination)
		if err != nil {
			continue // whoever opened the backlogs has said so
		}
		if err := s.endOld(ctx, to, b); err != nil {
			return err
		}
		if err := s.trim(ctx, to, b, s.caps.rows, s.caps.bytes); err != nil {
			return err
		}
		total += b.Bytes
	}
	return s.trimLargest(ctx, backlogs, total)
}

// endOld ends what is older than it is worth.
func (s *sweeper) endOld(ctx context.Context, to work.Destination, b *store.Backlog) error {
	most := s.cfg.Retry.PushExpire
	if to.Endpoint != "" {
		most = s.cfg.Retry.hookAge()
	}
	before := s.cfg.Now().Add(-most)
	for n := 1; n > 0 && b.Rows > 0 && b.Oldest.Before(before); {
		var err error
		if n, err = s.page(ctx, to, b, store.WaitingQuery{Before: before}, (*Flight).expire); err != nil {
			return err
		}
	}
	return nil
}

// trim ends the oldest of a backlog that is longer than it may be.
func (s *sweeper) trim(ctx context.Context, to work.Destination, b *store.Backlog, rows, bytes int64) error {
	if b.Rows <= rows && b.Bytes <= bytes {
		return nil
	}
	s.cfg.Report.overflowing(to, b)
	rows -= rows / trimShare // not again with the next that comes
	bytes -= bytes / trimShare
	for n := 1; n > 0 && (b.Rows > rows || b.Bytes > bytes); {
		average := max(1, b.Bytes/max(1, b.Rows))
		tooMany := max(b.Rows-rows, (b.Bytes-bytes)/average+1)
		var err error
		if n, err = s.page(ctx, to, b, store.WaitingQuery{Limit: int(min(sweepPage, tooMany))}, (*Flight).overflow); err != nil {
			return err
		}
	}
	return nil
}

// trimLargest ends the oldest of the largest backlog where all together are too much.
func (s *sweeper) trimLargest(ctx context.Context, backlogs []store.Backlog, total int64) error {
	if total <= s.caps.all {
		return nil
	}
	largest := &backlogs[0]
	for i := range backlogs {
		if backlogs[i].Bytes > largest.Bytes {
			largest = &backlogs[i]
		}
	}
	to, err := work.ParseDestination(largest.Destination)
	if err != nil {
		return err
	}
	return s.trim(ctx, to, largest, s.caps.rows, max(0, largest.Bytes-(total-s.caps.all)))
}

// page ends the batches of a page for which that is possible, waits until they are settled,
// counts them in the sum, and says how many there were. Those that are being tried, or that
// end says no to, stay.
func (s *sweeper) page(ctx context.Context, to work.Destination, sum *store.Backlog, query store.WaitingQuery, end func(f *Flight, now time.Time) bool) (int, error) {
	line := s.queue(to)
	if !line.beginSweep() {
		return 0, nil // it is being drained: another time
	}
	defer line.stopReading()
	query.Destination = to.String()
	if query.Limit == 0 {
		query.Limit = sweepPage
	}
	rows, err := s.cfg.Waiting.Waiting(ctx, query)
	if err != nil {
		return 0, fmt.Errorf("read what waits for %s: %w", to, err)
	}
	ended := 0
	var claimed []string
	for _, r := range line.holds(rows, len(rows)) {
		flight, err := s.flightOf(ctx, r)
		if err != nil {
			s.putBack(ctx, line, r, err)
			continue
		}
		if !end(flight, s.cfg.Now()) {
			line.settled(r.ID, false, r.DueAt)
			continue
		}
		ended++
		sum.Rows--
		sum.Bytes -= int64(len(r.Payload))
		claimed = append(claimed, r.ID)
		s.resume(ctx, flight, line)
	}
	for line.stillHolds(claimed) {
		if !sleep(ctx, sweepWait) {
			return ended, ctx.Err()
		}
	}
	return ended, nil
}

// flightOf makes the flight of a row that is to be ended.
func (s *sweeper) flightOf(ctx context.Context, r store.Waiting) (*Flight, error) {
	b, err := work.Decode(r.Payload)
	if err != nil {
		return nil, work.Permanent(fmt.Errorf("place %d: %w", r.Seq, err))
	}
	flight := s.newFlight(b)
	flight.place = r.Seq
	flight.row = r.ID
	if b.Redelivered || b.Instance != s.cfg.Instance {
		flight.redelivered = true
		if err := s.cfg.Ledger.DropFinished(ctx, []*work.Batch{b}, jetstream.RedeliveredHere); err != nil {
			return nil, err
		}
	}
	if net, ok := s.cfg.Networks.Network(b.Notification.Network); ok {
		flight.net = net
	}
	return flight, nil
}

// expire ends a flight whose time is over, or reports that it is not.
func (f *Flight) expire(now time.Time) bool {
	f.expired = f.tooLate(now)
	return f.expired
}

// overflow ends a flight for which there is no room any more.
func (f *Flight) overflow(now time.Time) bool {
	if !f.expire(now) {
		f.overflowed = true
	}
	return true
}

// beginSweep lets the sweeper read the backlog, if nobody does; it calls stopReading.
func (q *queue) beginSweep() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.backlog
	if b.reading {
		return false
	}
	b.reading = true
	b.gone = map[string]struct{}{}
	return true
}

// stillHolds reports whether any of the rows is in memory.
func (q *queue) stillHolds(ids []string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range ids {
		if _, ok := q.backlog.loaded[id]; ok {
			return true
		}
	}
	return false
}

// newSweeper makes the sweeper of a dispatcher.
func newSweeper(d *Dispatcher) *sweeper {
	return &sweeper{Dispatcher: d, caps: backlogCaps, soon: make(chan struct{}, 1)}
}

// tooLong asks for a sweep where a backlog has more rows than it may have.
func (s *sweeper) tooLong(rows int64) {
	if rows <= s.caps.rows {
		return
	}
	select {
	case s.soon <- struct{}{}:
	default:
	}
}

// overflowing tells once in a while that a backlog is longer than it may be.
func (r *Report) overflowing(to work.Destination, b *store.Backlog) {
	if _, ok := r.creds.allow(overflow(to)); ok {
		r.log.Error("backlog is too long: the oldest of what waits for a destination is given up, until it is back. Each has its row, reason unavailable",
			"network", to.Network, "target", to.Kind(), "app", to.App, "endpoint", to.Endpoint, "waiting", b.Rows, "bytes", b.Bytes, "oldest", b.Oldest.UTC())
	}
}

// overflow is what the throttle goes by.
type overflow work.Destination
