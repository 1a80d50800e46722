package deliver

import (
	"sync"
	"time"
)

// pool is the worker pool of one destination, whose size its concurrency limit and its pace
// bound. Workers are started when there is work and end when there is none: an idle
// destination costs nothing. The queue's lock guards it.
type pool struct {
	all      *sync.WaitGroup // whoever waits for the workers of all destinations
	running  int
	resuming bool // a timer starts workers again
}

// staff starts workers for more tasks: those that are there have their hands full. The
// lock is held.
func (q *queue) staff(tasks int) {
	for want := min(q.pace.window(q.limit), q.pool.running+tasks); q.pool.running < want; q.pool.running++ {
		q.pool.all.Add(1)
		go q.work()
	}
}

// work runs tasks until none are left, or there are more workers than the pace allows.
func (q *queue) work() {
	defer q.pool.all.Done()
	for {
		t, skip, ok := q.begin(time.Now())
		if !ok {
			return
		}
		for ok {
			how := t.run(skip)
			t, skip, ok = q.done(t, skip, how, time.Now())
		}
	}
}

// begin takes the next task for a worker, and says whether it is to be skipped; false ends
// the worker.
func (q *queue) begin(now time.Time) (t task, skip, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	pause := q.pace.pausedFor(now)
	short := pause > 0 && pause <= longWait && q.tasks.Ahead() > 0
	if short {
		q.resumeAfter(pause)
	}
	if !short && q.pool.running <= q.pace.window(q.limit) {
		t, ok = q.take()
	}
	if !ok {
		q.pool.running--
		return task{}, false, false
	}
	return t, pause > longWait || q.start(&t, now), true
}

// resumeAfter starts workers again when the pause that the destination asked for is over.
// The lock is held.
func (q *queue) resumeAfter(wait time.Duration) {
	if q.pool.resuming {
		return
	}
	q.pool.resuming = true
	q.pool.all.Add(1)
	time.AfterFunc(wait, func() {
		defer q.pool.all.Done()
		q.mu.Lock()
		defer q.mu.Unlock()
		q.pool.resuming = false
		q.staff(q.tasks.Ahead())
	})
}
