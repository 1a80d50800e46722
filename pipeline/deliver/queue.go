package deliver

import (
	"context"
	"sync"
	"time"

	"chatbell/internal/fifo"
	"chatbell/pipeline/work"
)

const (
	// queueQuota bounds the targets that wait in memory for one destination: 64 full
	// batches, some 4 MiB, one second of work at the speed of a fast provider.
	queueQuota = 64 * work.MaxBatch
	// longWait is when waiting in memory stops being worth a place there.
	longWait = 5 * time.Second
	// maxParked bounds what one phone may hold up (see [fifo.New]): at a provider's 30 ms
	// some four seconds.
	maxParked = 128
)

// task is one try. Tries with one key, which is a phone, are made one after another:
// side by side, the second of two messages could be shown first.
type task struct {
	key string // the ordering key; empty for what needs no order
	// run makes the try, or with skip leaves it for later, and says what it tells of the
	// destination.
	run func(skip bool) answer
}

// queue is what one destination has in memory: a keyed FIFO of tries, the worker pool that
// makes them, and what is known of the destination. Its circuit breaker is the bulkhead
// between destinations: it bounds what one that is away may hold.
type queue struct {
	to    work.Destination
	limit int // tries under way at once
	quiet *quietShare
	// ring asks the dispatcher to look at the backlog.
	ring func()

	mu      sync.Mutex
	tasks   *fifo.Keyed[task]
	pool    pool
	space   chan struct{} // closed and replaced when tasks were taken
	breaker breaker
	meter   meter
	pace    pace
	backlog backlog
}

func newQueue(to work.Destination, wg *sync.WaitGroup, quiet *quietShare, ring func()) *queue {
	return &queue{
		to:      to,
		limit:   1,
		backlog: backlog{loaded: map[string]struct{}{}},
		tasks:   fifo.New[task](maxParked),
		pool:    pool{all: wg},
		space:   make(chan struct{}),
		quiet:   quiet,
		ring:    ring,
	}
}

// inMemory is how many tries wait or are under way. The lock is held.
func (q *queue) inMemory() int { return q.tasks.Len() + q.breaker.trying }

// put appends the tasks in order (backpressure: it waits for places), or reports false where they would wait for long: they
// go to the backlog then. So do those of a destination that is away, or whose backlog is
// being drained: they come after what waits there. A destination that makes progress is
// worth a short wait for a place. One that has become quiet gets a share.
func (q *queue) put(ctx context.Context, tasks []task, limit, degraded int) bool {
	for {
		now := time.Now()
		if q.quiet.full(now) {
			degraded = 0
		}
		q.mu.Lock()
		q.limit = max(limit, 1)
		waiting := q.tasks.Len()
		if !q.admits(len(tasks), degraded, now) {
			q.mu.Unlock()
			return false
		}
		if waiting == 0 || waiting+len(tasks) <= queueQuota {
			q.append(tasks)
			q.mu.Unlock()
			return true
		}
		estimate := q.meter.estimate(waiting, now)
		space := q.space
		q.mu.Unlock()
		if estimate >= longWait {
			return false
		}
		timer := time.NewTimer(rateWindow) // a destination that stalls frees no place: look again
		select {
		case <-space:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}

// admits reports whether new work may come into memory. The lock is held.
func (q *queue) admits(tasks, degraded int, now time.Time) bool {
	if q.backlog.draining || q.backlog.behind || q.pace.pausedFor(now) > longWait {
		return false
	}
	inFlight := q.inMemory()
	busy := inFlight > 0
	switch {
	case q.breaker.open(busy, now):
		return false
	case q.breaker.quiet(busy, now):
		if inFlight+tasks > degraded {
			return false
		}
		q.quiet.add(tasks)
	}
	return true
}

// admit appends tasks from the backlog, which has asked for places before.
func (q *queue) admit(tasks []task, limit int) {
	q.mu.Lock()
	q.limit = max(limit, 1)
	q.append(tasks)
	q.mu.Unlock()
}

// append adds tasks and starts workers for them. The lock is held.
func (q *queue) append(tasks []task) {
	for _, t := range tasks {
		q.tasks.Push(t.key, t)
	}
	if q.pool.running == 0 {
		now := time.Now()
		q.meter = meter{since: now}
		q.breaker.resume(now)
	}
	q.staff(len(tasks))
}

// take takes the first task that may run now. The lock is held.
func (q *queue) take() (task, bool) {
	key, t, ok := q.tasks.Next()
	t.key = key
	if ok {
		q.tellSpace()
	}
	return t, ok
}

// tellSpace wakes who waits for a place, once for each batch that has been taken. The lock
// is held.
func (q *queue) tellSpace() {
	if q.tasks.Len()%work.MaxBatch == 0 {
		close(q.space)
		q.space = make(chan struct{})
	}
}

// done counts a finished try, and begins what was parked behind it.
func (q *queue) done(t task, skipped bool, how answer, now time.Time) (next task, skip, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !skipped {
		q.ended(how, now)
	}
	q.meter.roll(now)
	if next, ok = q.tasks.Done(t.key); !ok {
		return task{}, false, false
	}
	q.tellSpace()
	return next, q.breaker.begin(now), true
}

// ended takes what a try told of the destination. The lock is held.
func (q *queue) ended(how answer, now time.Time) {
	q.meter.finished++
	switch how.kind {
	case nothingKnown:
		q.breaker.trying--
		return
	case able:
		q.pace.succeeded(q.limit)
	case limited:
		q.pace.limited(q.limit, now, how.after)
	case unable, noAnswer:
	}
	if q.breaker.end(how.kind, now) && q.backlog.rows > 0 {
		q.backlog.draining = true
		q.ring()
	}
}
