package deliver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chatbell/internal/store"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/work"
)

const (
	// drainers is how many backlogs are read side by side: reading takes a fraction of a
	// millisecond, and what it leads to happens in the queues.
	drainers = 4
	// drainPage is how many batches of one destination are in memory at once: 64 of 30 KiB.
	drainPage = 64
	// drainPause is the wait after the store failed, or while nothing may be sent.
	drainPause = time.Second
	// resend is when a batch is looked at again whose try is under way: long after the
	// end of any try, so that it happens only if the process has gone.
	resend = 2 * time.Minute
)

// bells are the destinations whose backlogs are to be looked at. Safe for concurrent use.
type bells struct {
	mu    sync.Mutex
	rung  map[work.Destination]bool
	order []work.Destination
	more  chan struct{} // capacity 1
}

func newBells() *bells {
	return &bells{rung: map[work.Destination]bool{}, more: make(chan struct{}, 1)}
}

func (b *bells) ring(to work.Destination) {
	b.mu.Lock()
	if !b.rung[to] {
		b.rung[to] = true
		b.order = append(b.order, to)
	}
	b.mu.Unlock()
	b.wake()
}

func (b *bells) wake() {
	select {
	case b.more <- struct{}{}:
	default:
	}
}

// next waits for a destination; false says that the context has ended.
func (b *bells) next(ctx context.Context) (work.Destination, bool) {
	for {
		b.mu.Lock()
		if len(b.order) > 0 {
			destination := b.order[0]
			b.order = b.order[1:]
			delete(b.rung, destination)
			left := len(b.order)
			b.mu.Unlock()
			if left > 0 {
				b.wake() // for the others who wait
			}
			return destination, ctx.Err() == nil
		}
		b.mu.Unlock()
		select {
		case <-b.more:
		case <-ctx.Done():
			return work.Destination{}, false
		}
	}
}

// openBacklogs reads what waits from the store.
func (d *Dispatcher) openBacklogs(ctx context.Context) error {
	all, err := d.cfg.Waiting.Backlogs(ctx)
	if err != nil {
		return fmt.Errorf("read what waits: %w", err)
	}
	for _, b := range all {
		destination, err := work.ParseDestination(b.Destination)
		if err != nil {
			d.cfg.Log.Error("a backlog's destination cannot be read; it stays in the store", "error", err)
			continue
		}
		line := d.queue(destination)
		if net, ok := d.cfg.Networks.Network(destination.Network); ok {
			d.join(line, net)
		}
		line.mu.Lock()
		line.backlog.rows += b.Rows
		line.expect(b.Next)
		line.mu.Unlock()
	}
	return nil
}

// Run gives the destinations what waits for them until the context ends. Before that it
// reads what an earlier process has left.
func (d *Dispatcher) Run(ctx context.Context) {
	for {
		err := d.openBacklogs(ctx)
		if err == nil {
			break
		}
		d.cfg.Log.Warn("cannot read what waits; trying again", "error", err)
		if !sleep(ctx, drainPause) {
			return
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { d.sweeper.run(ctx) })
	for range drainers {
		wg.Go(func() {
			for {
				destination, ok := d.bells.next(ctx)
				if !ok {
					return
				}
				d.drain(ctx, d.queue(destination))
			}
		})
	}
	wg.Wait()
}

// sleep waits, and reports whether the context lasts.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// drain takes as much of a destination's backlog into memory as it can do with now.
func (d *Dispatcher) drain(ctx context.Context, line *queue) {
	want, query := line.wants(time.Now())
	if want == 0 {
		return
	}
	defer line.stopReading()
	if d.cfg.Paused() { // what came of it could not be written down
		line.later(drainPause)
		return
	}
	rows, err := d.cfg.Waiting.Waiting(ctx, query)
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Log.Warn("cannot read what waits for a destination; trying again", "destination", line.to, "error", err)
		}
		line.later(drainPause)
		return
	}
	line.caughtUp(query, len(rows))
	for _, r := range line.holds(rows, want) {
		if err := d.retry(ctx, line, r); err != nil {
			d.putBack(ctx, line, r, err)
		}
	}
	d.lookAhead(ctx, line)
}

// stopReading ends what wants has begun.
func (q *queue) stopReading() {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.backlog
	b.reading = false
	b.gone = nil
	if b.again {
		b.again = false
		q.ring()
	}
}

// putBack leaves a row for later that could not be begun. One that cannot be read is
// given up: no repetition can help.
func (d *Dispatcher) putBack(ctx context.Context, line *queue, r store.Waiting, err error) {
	if work.IsPermanent(err) {
		d.cfg.Log.Error("a batch that waited cannot be read and is given up", "destination", line.to, "id", r.ID, "error", err)
		if err := d.cfg.Waiting.SettleWaiting(ctx, store.Settled{Done: []int64{r.Seq}}); err == nil {
			line.settled(r.ID, true, time.Time{})
			return
		}
	}
	level := d.cfg.Log.Warn
	if errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, context.Canceled) {
		level = d.cfg.Log.Debug // whoever keeps the records has said so, once for all
	}
	level("a batch that waited cannot be tried now", "destination", line.to, "error", err)
	line.settled(r.ID, false, time.Now().Add(drainPause))
}

// wants says how many batches of the backlog may come into memory now, and which. If it
// is any, the caller reads them and calls stopReading.
func (q *queue) wants(now time.Time) (int, store.WaitingQuery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.backlog
	if b.reading { // one at a time
		b.again = true
		return 0, store.WaitingQuery{}
	}
	b.next = time.Time{}
	q.follow()
	query := store.WaitingQuery{Destination: q.to.String(), Due: now}
	want := drainPage - len(b.loaded)
	if pause := q.pace.pausedFor(now); pause > 0 {
		q.expect(now.Add(pause))
		return 0, query
	}
	most, due := q.share(now)
	query.Due = due
	want = min(want, most)
	if want <= 0 {
		return 0, query // when some of those in memory are settled somebody looks again
	}
	b.reading = true
	b.gone = map[string]struct{}{}
	query.Limit = want + len(b.loaded)
	return want, query
}

// share is how many batches of the backlog the breakers let into memory now, and by when
// they have to be due: the zero time stands for the oldest, whatever their times. Where it
// is none somebody looks again when that can have changed. The lock is held.
func (q *queue) share(now time.Time) (most int, due time.Time) {
	switch {
	case q.host.isAway() && !q.host.hasTurn(q):
		q.expect(now) // in its turn
		return 0, now
	case q.host.isAway():
		return 1, time.Time{}
	case q.isOpen(now):
		most, when := q.breaker.probe(now)
		q.expect(when)
		return most, time.Time{}
	case q.refused.holding && now.Before(q.refused.probeAt):
		q.expect(q.refused.probeAt)
		return 0, now
	case q.refused.holding:
		// By their times: what was refused is due later, and others have their turn.
		return probes - q.breaker.trying, farAway
	case q.backlog.draining:
		return drainPage, time.Time{}
	}
	return drainPage, now
}

// caughtUp notes that all that was asked for is in memory: what comes now comes after it.
func (q *queue) caughtUp(query store.WaitingQuery, read int) {
	if read >= query.Limit {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.backlog.behind = false
	if query.Due.IsZero() {
		q.backlog.draining = false
	}
}

// later asks for another look after a while.
func (q *queue) later(wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expect(time.Now().Add(wait))
}

// lookAhead finds out when the first row is due that is not in memory.
func (d *Dispatcher) lookAhead(ctx context.Context, line *queue) {
	line.mu.Lock()
	here := len(line.backlog.loaded)
	full := here >= drainPage
	line.mu.Unlock()
	if full {
		return // when one of them is settled somebody looks again
	}
	rows, err := d.cfg.Waiting.Waiting(ctx, store.WaitingQuery{Destination: line.to.String(), Due: farAway, Limit: here + 1})
	if err != nil {
		line.later(drainPause)
		return
	}
	line.mu.Lock()
	defer line.mu.Unlock()
	if len(rows) <= len(line.backlog.loaded) { // what was counted twice is noticed here
		line.backlog.rows = min(line.backlog.rows, int64(max(len(rows), len(line.backlog.loaded))))
	}
	for _, r := range rows {
		if _, loaded := line.backlog.loaded[r.ID]; !loaded {
			line.expect(r.DueAt)
			return
		}
	}
}

// farAway is after everything that is due.
var farAway = time.UnixMilli(1 << 45)

// retry tries a batch that waited.
func (d *Dispatcher) retry(ctx context.Context, line *queue, r store.Waiting) error {
	b, err := work.Decode(r.Payload)
	if err != nil {
		return work.Permanent(fmt.Errorf("place %d: %w", r.Seq, err))
	}
	flight := d.newFlight(b)
	flight.place = r.Seq
	flight.row = r.ID
	flight.early = r.DueAt.After(time.Now())
	// Another process may have tried it, and this one what it came from.
	if b.Redelivered || b.Instance != d.cfg.Instance {
		flight.redelivered = true
		if err := d.cfg.Ledger.DropFinished(ctx, []*work.Batch{b}, jetstream.RedeliveredHere); err != nil {
			return err
		}
	}
	if net, ok := d.cfg.Networks.Network(b.Notification.Network); ok {
		flight.net = net
		d.join(line, net)
		if flight.stopped, err = d.cfg.Eligibility.Check(ctx, b); err != nil {
			return err
		}
	}
	d.resume(ctx, flight, line)
	return nil
}

// resume begins the tries of a batch that waited: its places were asked for before.
func (d *Dispatcher) resume(ctx context.Context, flight *Flight, line *queue) {
	tasks, limit := flight.tasks(context.WithoutCancel(ctx))
	flight.adopted = true
	d.remember(flight)
	if len(tasks) == 0 {
		flight.finish()
		return
	}
	flight.left.Store(int32(len(tasks)))
	line.admit(tasks, limit)
}
