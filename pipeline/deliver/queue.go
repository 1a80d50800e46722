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
	// run makes the try, or with skip leaves it for later, and reports whether the
	// destination said anything.
	run func(skip bool) (answered bool)
}

// queue is the keyed FIFO of one destination, with its worker pool: what waits, in order,
// and within a lane one after another. Its breaker is the bulkhead between destinations:
// it bounds what one that hangs may hold. The workers are started
// when there is work and end when there is none: an idle destination costs nothing.
type queue struct {
	limit int // tries under way at once

	mu      sync.Mutex
	tasks   []task
	head    int
	lanes   map[string][]task // with a try under way, and what is parked behind it
	parked  int
	workers int
	space   chan struct{} // closed and replaced when tasks were taken
	wg      *sync.WaitGroup
	breaker breaker
	meter   meter
}

func newQueue(limit int, wg *sync.WaitGroup) *queue {
	return &queue{limit: max(limit, 1), lanes: map[string][]task{}, space: make(chan struct{}), wg: wg}
}

// put appends the tasks in order, or reports false where they would wait for long:
// they have to wait in the store then. A destination that makes progress is worth
// a short wait for a place. One that says nothing gets a share, then less: whatever
// waits for it holds a place that the other networks need. Quiet is that share.
func (q *queue) put(ctx context.Context, tasks []task, quiet int) bool {
	for {
		q.mu.Lock()
		now := time.Now()
		waiting := len(q.tasks) - q.head + q.parked
		if inFlight := waiting + q.breaker.trying; inFlight > 0 && inFlight+len(tasks) > q.breaker.limit(quiet, now) {
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
	for want := min(q.limit, q.workers+len(tasks)); q.workers < want; q.workers++ { // those there are have their hands full
		q.wg.Add(1)
		go q.work()
	}
}

// work runs tasks until none are left.
func (q *queue) work() {
	defer q.wg.Done()
	for {
		q.mu.Lock()
		t, ok := q.next()
		if !ok {
			q.workers--
			q.mu.Unlock()
			return
		}
		skip := q.breaker.begin(time.Now())
		q.mu.Unlock()
		for ok {
			answered := t.run(skip)
			t, skip, ok = q.done(t, skip, answered, time.Now())
		}
	}
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
func (q *queue) done(t task, skipped, answered bool, now time.Time) (next task, skip, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !skipped {
		q.breaker.end(answered, now)
		q.meter.finished++
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
