package deliver

import (
	"context"
	"log/slog"
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
	run   func(skip bool) answer
	probe probe // how it counts at a host that is away
}

// queue is what one destination has in memory: a keyed FIFO of tries, the worker pool that
// makes them, and what is known of the destination. Its circuit breaker is the bulkhead
// between destinations: it bounds what one that is away may hold.
type queue struct {
	to    work.Destination
	limit int // tries under way at once
	quiet *quietShare
	log   *slog.Logger
	// ring asks the dispatcher to look at the backlog.
	ring func()
	// tooLong is told how many batches wait, when there are more.
	tooLong func(rows int64)

	mu      sync.Mutex
	net     *work.Network // as it was configured when it was last given work
	host    *host         // of the push service; nil where it shares with nobody
	returns uint64        // of the host, as far as is known here
	tasks   *fifo.Keyed[task]
	pool    pool
	space   chan struct{} // closed and replaced when tasks were taken
	breaker breaker
	meter   meter
	pace    pace
	backlog backlog
	refused refusals // of tokens
}

func newQueue(to work.Destination, wg *sync.WaitGroup, quiet *quietShare, log *slog.Logger, ring func()) *queue {
	return &queue{
		to:      to,
		log:     log,
		limit:   1,
		backlog: backlog{loaded: map[string]struct{}{}},
		tasks:   fifo.New[task](maxParked),
		pool:    pool{all: wg},
		space:   make(chan struct{}),
		quiet:   quiet,
		ring:    ring,
		tooLong: func(int64) {},
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
	q.follow()
	switch {
	case q.refused.holding, q.host.isAway(), q.isOpen(now):
		return false
	case q.breaker.quiet(inFlight > 0, now):
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
		q.host.probed(t.probe)
	}
	q.meter.roll(now)
	if next, ok = q.tasks.Done(t.key); !ok {
		return task{}, false, false
	}
	q.tellSpace()
	return next, q.start(&next, now), true
}

// start takes a try, or reports that it is to be skipped because the destination, or its
// host, is taken to be away, or refuses all tokens. The lock is held.
func (q *queue) start(t *task, now time.Time) (skip bool) {
	if q.refused.skips(q.breaker.trying, now) || q.skips(t, now) {
		return true
	}
	q.refused.probing(now)
	return false
}

// skips asks the breakers of the destination and of its host. The lock is held.
func (q *queue) skips(t *task, now time.Time) (skip bool) {
	q.follow()
	if q.host.isAway() {
		if t.probe = q.host.take(q); t.probe == noProbe {
			return true
		}
		q.breaker.trying++
		return false
	}
	if skip = q.breaker.begin(now); skip {
		q.isOpen(now) // which tells the host
	}
	return skip
}

// isOpen reports whether the destination itself is taken to be away, and tells its host of
// it while a try is under way that shows it. The lock is held.
func (q *queue) isOpen(now time.Time) bool {
	open := q.breaker.open(q.inMemory() > 0, now)
	if open && q.breaker.trying > 0 {
		q.host.foundSilent(q, now)
	}
	return open
}

// follow notices that the host has come back: the destination may prove itself at once, and
// all that waits for it is tried. The lock is held.
func (q *queue) follow() {
	if q.host == nil || q.host.returned.Load() == q.returns {
		return
	}
	q.returns = q.host.returned.Load()
	q.breaker.prove()
	q.backlog.draining = q.backlog.rows > 0
}

// drainAll has all tried that waits, whatever its time. The lock is held.
func (q *queue) drainAll() {
	if q.backlog.rows > 0 {
		q.backlog.draining = true
		q.ring()
	}
}

// ended takes what a try told of the destination. The lock is held.
func (q *queue) ended(how answer, now time.Time) {
	q.meter.finished++
	if how.kind == nothingKnown {
		q.breaker.trying--
		return
	}
	if q.breaker.end(how.kind, now) {
		q.drainAll()
	}
	q.heardOfToken(how, now)
	switch how.kind {
	case able:
		q.pace.succeeded(q.limit)
		q.host.answered(now)
	case limited:
		q.pace.limited(q.limit, now, how.after)
		q.host.answered(now)
	case unable, noAnswer:
		if q.breaker.open(q.inMemory() > 0, now) {
			q.host.foundSilent(q, now)
		}
	case nothingKnown:
	}
}
