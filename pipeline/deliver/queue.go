package deliver

import (
	"context"
	"sync"
	"time"

	"chatbell/pipeline/work"
)

const (
	// queueQuota bounds the targets that wait in memory for one destination: 64 full
	// batches, some 4 MiB, one second of work at the speed of a fast provider.
	queueQuota = 64 * work.MaxBatch
	// longWait is when waiting in memory stops being worth a place there.
	longWait = 5 * time.Second
	// maxParked bounds what one phone may hold up: at a provider's 30 ms some four
	// seconds. What comes on top goes at once, out of order.
	maxParked = 128
)

// task is one try. Tries of one lane, which is a phone, are made one after another:
// side by side, the second of two messages could be shown first.
type task struct {
	lane string // empty for what needs no order
	// run makes the try, or with skip leaves it for later, and says what it tells of the
	// destination.
	run func(skip bool) answer
}

// queue is the keyed FIFO of one destination, with its worker pool: what waits in memory,
// in order, and within a lane one after another. Its circuit breaker is the bulkhead
// between destinations: it bounds what one that is away may hold. The workers are started
// when there is work and end when there is none: an idle destination costs nothing.
type queue struct {
	to    work.Destination
	limit int // tries under way at once
	wg    *sync.WaitGroup
	quiet *quietShare
	// ring asks the dispatcher to look at the backlog.
	ring func()

	mu      sync.Mutex
	tasks   []task
	head    int
	lanes   map[string][]task // with a try under way, and what is parked behind it
	parked  int
	workers int
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
		lanes:   map[string][]task{},
		space:   make(chan struct{}),
		wg:      wg,
		quiet:   quiet,
		ring:    ring,
	}
}

// inMemory is how many tries wait or are under way. The lock is held.
func (q *queue) inMemory() int { return len(q.tasks) - q.head + q.parked + q.breaker.trying }

// put appends the tasks in order, or reports false where they would wait for long: they
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
		waiting := len(q.tasks) - q.head + q.parked
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
	if q.head > 0 && q.head == len(q.tasks) {
		q.tasks = q.tasks[:0]
		q.head = 0
	}
	q.tasks = append(q.tasks, tasks...)
	if q.workers == 0 {
		now := time.Now()
		q.meter = meter{since: now}
		q.breaker.resume(now)
	}
	q.staff(len(tasks))
}

// staff starts workers for more tasks: those that are there have their hands full. The
// lock is held.
func (q *queue) staff(tasks int) {
	for want := min(q.pace.window(q.limit), q.workers+tasks); q.workers < want; q.workers++ {
		q.wg.Add(1)
		go q.work()
	}
}

// work runs tasks until none are left, or there are more workers than the pace allows.
func (q *queue) work() {
	defer q.wg.Done()
	for {
		q.mu.Lock()
		now := time.Now()
		pause := q.pace.pausedFor(now)
		if pause > 0 && pause <= longWait && q.head < len(q.tasks) {
			q.resumeAfter(pause)
			q.workers--
			q.mu.Unlock()
			return
		}
		if q.workers > q.pace.window(q.limit) {
			q.workers--
			q.mu.Unlock()
			return
		}
		t, ok := q.next()
		if !ok {
			q.workers--
			q.mu.Unlock()
			return
		}
		skip := pause > longWait || q.breaker.begin(now)
		q.mu.Unlock()
		for ok {
			how := t.run(skip)
			t, skip, ok = q.done(t, skip, how, time.Now())
		}
	}
}

// resumeAfter starts workers again when the pause that the destination asked for is over.
// The lock is held.
func (q *queue) resumeAfter(wait time.Duration) {
	if q.pace.resuming {
		return
	}
	q.pace.resuming = true
	q.wg.Add(1)
	time.AfterFunc(wait, func() {
		defer q.wg.Done()
		q.mu.Lock()
		defer q.mu.Unlock()
		q.pace.resuming = false
		q.staff(len(q.tasks) - q.head)
	})
}

// next takes the first task that may run; those of a lane that is busy are parked
// behind it. The lock is held.
func (q *queue) next() (task, bool) {
	for q.head < len(q.tasks) {
		t := q.tasks[q.head]
		q.tasks[q.head] = task{}
		q.head++
		if q.head >= queueQuota { // move the rest down, so that the slice does not grow for ever
			q.tasks = append(q.tasks[:0], q.tasks[q.head:]...)
			q.head = 0
		}
		if (len(q.tasks)-q.head)%work.MaxBatch == 0 {
			close(q.space)
			q.space = make(chan struct{})
		}
		if t.lane == "" {
			return t, true
		}
		behind, busy := q.lanes[t.lane]
		switch {
		case !busy:
			q.lanes[t.lane] = nil
			return t, true
		case len(behind) >= maxParked:
			t.lane = "" // it is nobody's turn to wait for
			return t, true
		}
		q.lanes[t.lane] = append(behind, t)
		q.parked++
	}
	return task{}, false
}

// done counts a finished try, and begins what was parked behind it.
func (q *queue) done(t task, skipped bool, how answer, now time.Time) (next task, skip, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !skipped {
		q.ended(how, now)
	}
	q.meter.roll(now)
	behind := q.lanes[t.lane]
	if len(behind) == 0 {
		delete(q.lanes, t.lane)
		return task{}, false, false
	}
	q.lanes[t.lane] = behind[1:]
	q.parked--
	return behind[0], q.breaker.begin(now), true
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
