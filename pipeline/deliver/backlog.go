package deliver

import (
	"context"
	"fmt"
	"time"

	"chatbell/internal/store"
	"chatbell/pipeline/work"
)

// Waiting keeps batches until they are due, across restarts: a backlog for each
// destination. Putting is idempotent by id. See [store.Waiting].
type Waiting interface {
	PutWaiting(ctx context.Context, rows []store.Waiting) ([]int64, error)
	SettleWaiting(ctx context.Context, settled store.Settled) error
	Waiting(ctx context.Context, q store.WaitingQuery) ([]store.Waiting, error)
	Backlogs(ctx context.Context) ([]store.Backlog, error)
}

// backlog is what is known of one destination's backlog, the delayed queue in the store.
// The queue's lock guards it.
type backlog struct {
	rows int64 // in the store, with those that are in memory
	// loaded are the rows, by id, that are in memory: they wait there, or are being tried.
	loaded map[string]struct{}
	// reading says that a page is being read, again that another was asked for
	// meanwhile; gone are the rows that were settled since it began, and that may be on it.
	reading bool
	again   bool
	gone    map[string]struct{}
	// next is when the first of the others is due; zero if none is known.
	next time.Time
	// draining says that all of it is tried, in its order, whatever its time: the
	// destination is back.
	draining bool
	// behind says that there is more due than has found a place in memory.
	behind bool
	timer  *time.Timer
}

// deferral is a batch that is tried again when it is due.
type deferral struct {
	batch *work.Batch
	due   time.Time
	// underWay says that its try has not ended.
	underWay bool
}

// row makes the row of a deferral.
func (d *Dispatcher) row(w deferral) (store.Waiting, error) {
	b := *w.batch
	b.Instance = d.cfg.Instance
	b.Waits++
	if b.Call == nil { // a call keeps its id, which is the webhook-id of every retry
		if err := b.Seal(); err != nil {
			return store.Waiting{}, err
		}
	}
	data, err := b.Encode()
	if err != nil {
		return store.Waiting{}, err
	}
	return store.Waiting{
		ID:          fmt.Sprintf("%s.%d", b.ID, b.Waits),
		Destination: b.Destination.String(),
		Kind:        b.Destination.Kind(),
		DueAt:       w.due,
		Since:       b.Notification.AcceptedAt,
		Payload:     data,
	}, nil
}

func (d *Dispatcher) rows(deferrals []deferral) ([]store.Waiting, error) {
	rows := make([]store.Waiting, len(deferrals))
	for i, w := range deferrals {
		row, err := d.row(w)
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	return rows, nil
}

// placed is where a batch waits.
type placed struct {
	to    work.Destination
	id    string
	place int64
}

// put stores batches until they are due, all or none, and returns their places. They are
// durable when put returns.
func (d *Dispatcher) put(ctx context.Context, deferrals []deferral) ([]placed, error) {
	if len(deferrals) == 0 {
		return nil, nil
	}
	rows, err := d.rows(deferrals)
	if err != nil {
		return nil, err
	}
	for i, w := range deferrals {
		if w.underWay {
			d.queue(w.batch.Destination).hold(rows[i].ID)
		}
	}
	places, err := d.cfg.Waiting.PutWaiting(ctx, rows)
	if err != nil {
		for i, w := range deferrals {
			if w.underWay {
				d.queue(w.batch.Destination).letGo(rows[i].ID)
			}
		}
		return nil, fmt.Errorf("store work for %s: %w", deferrals[0].batch.Destination, err)
	}
	out := make([]placed, len(deferrals))
	for i, w := range deferrals {
		out[i] = placed{w.batch.Destination, rows[i].ID, places[i]}
		d.queue(w.batch.Destination).deferred(w.due)
	}
	return out, nil
}

// takeBack removes what put has stored.
func (d *Dispatcher) takeBack(ctx context.Context, all []placed) error {
	if len(all) == 0 {
		return nil
	}
	places := make([]int64, len(all))
	for i, p := range all {
		places[i] = p.place
	}
	if err := d.cfg.Waiting.SettleWaiting(ctx, store.Settled{Done: places}); err != nil {
		return fmt.Errorf("take back what waits: %w", err)
	}
	for _, p := range all {
		d.queue(p.to).settled(p.id, true, time.Time{})
	}
	return nil
}

// deferred notes that a batch was put into the backlog.
func (q *queue) deferred(due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.backlog.rows++
	q.tooLong(q.backlog.rows)
	if !due.After(time.Now()) {
		q.backlog.behind = true
	}
	q.expect(due)
}

// expect makes sure that the dispatcher looks at the backlog when something is due. The
// lock is held.
func (q *queue) expect(due time.Time) {
	b := &q.backlog
	if q.host.await(q, !q.breaker.open(q.inMemory() > 0, time.Now())) {
		return // one timer for all who speak to the host
	}
	if !b.next.IsZero() && !due.Before(b.next) {
		return
	}
	b.next = due
	q.arm(due)
}

// arm asks for a look at the backlog at a time. The lock is held.
func (q *queue) arm(at time.Time) {
	wait := max(time.Until(at), 0)
	if q.backlog.timer == nil {
		q.backlog.timer = time.AfterFunc(wait, q.ring)
		return
	}
	q.backlog.timer.Reset(wait)
}

// holds takes rows of the backlog into memory that are not there yet, up to most.
func (q *queue) holds(rows []store.Waiting, most int) []store.Waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.backlog
	var fresh []store.Waiting
	for _, r := range rows {
		_, here := b.loaded[r.ID]
		_, gone := b.gone[r.ID]
		if here || gone || len(fresh) == most {
			continue
		}
		b.loaded[r.ID] = struct{}{}
		fresh = append(fresh, r)
	}
	return fresh
}

// hold notes that a row, which is about to be put, is being tried already.
func (q *queue) hold(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.backlog.loaded[id] = struct{}{}
}

// letGo takes that back.
func (q *queue) letGo(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.backlog.loaded, id)
}

// settled lets go of a row that was in memory: it is finished, or due again.
func (q *queue) settled(id string, finished bool, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.backlog
	delete(b.loaded, id)
	if b.reading {
		b.gone[id] = struct{}{}
	}
	if finished {
		b.rows--
	} else {
		q.expect(due)
	}
	if n := len(b.loaded); n == 0 || n == drainPage/2 || (b.draining || b.behind) && n%8 == 0 {
		q.ring()
	}
}
