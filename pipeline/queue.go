package pipeline

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	// queueQuota bounds the targets that wait in memory for one destination: 64 full
	// batches, some 4 MiB, one second of work at the speed of a fast provider.
	queueQuota = 64 * maxBatch
	// longWait is when waiting in memory stops being worth a place there.
	longWait = 5 * time.Second
	// maxParked bounds what one phone may hold up: at a provider's 30 ms some four
	// seconds. What comes on top goes at once, out of order.
	maxParked = 128
	// rateWindow is over how long a destination's speed is measured.
	rateWindow = time.Second
	// quietAfter is how long a busy destination may say nothing and still be given all
	// that comes; one that is well answers something all the time.
	quietAfter = 250 * time.Millisecond
	// stallAfter is how long it may say nothing before it counts as hanging: making a
	// connection takes less.
	stallAfter = time.Second
	// probes is how many tries a destination gets at once while it hangs: enough to see
	// soon that it is back.
	probes = 64
)

// task is one try. Tries of one lane, which is a phone, are made one after another:
// side by side, the second of two messages could be shown first.
type task struct {
	lane string // empty for what needs no order
	// run makes the try, or with skip leaves it for later, and reports whether the
	// destination said anything.
	run func(skip bool) (answered bool)
}

// queue holds what waits for one destination, in order. Its workers are started
// when there is work and end when there is none: an idle destination costs nothing.
type queue struct {
	limit int // tries under way at once

	mu      sync.Mutex
	tasks   []task
	head    int
	lanes   map[string][]task // with a try under way, and what is parked behind it
	parked  int
	workers int
	trying  int           // tries under way
	space   chan struct{} // closed and replaced when tasks were taken
	wg      *sync.WaitGroup

	// The speed of the destination, in finished tries.
	windowStart time.Time
	finished    int
	rate        float64 // per second over the last full window; 0 unknown

	// Whether the destination hangs.
	heard  time.Time // when it last answered, or else was first given work
	silent bool      // the last try that ended had no answer
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
		waiting, now := len(q.tasks)-q.head+q.parked, time.Now()
		if inHand := waiting + q.trying; inHand > 0 && inHand+len(tasks) > q.share(quiet, now) {
			q.mu.Unlock()
			return false
		}
		if waiting == 0 || waiting+len(tasks) <= queueQuota {
			q.append(tasks)
			q.mu.Unlock()
			return true
		}
		estimate, space := q.estimate(waiting, now), q.space
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
		q.tasks, q.head = q.tasks[:0], 0
	}
	q.tasks = append(q.tasks, tasks...)
	if q.workers == 0 {
		q.windowStart, q.finished, q.rate = time.Now(), 0, 0
		if !q.silent {
			q.heard = q.windowStart
		}
	}
	for want := min(q.limit, q.workers+len(tasks)); q.workers < want; q.workers++ { // those there are have their hands full
		q.wg.Add(1)
		go q.work()
	}
}

// share is how many tries may be in hand. The lock is held.
func (q *queue) share(quiet int, now time.Time) int {
	switch {
	case q.hangs(now):
		return probes
	case now.Sub(q.heard) > quietAfter:
		return quiet
	}
	return math.MaxInt // there is the quota besides
}

// hangs reports whether the destination has had work for a while and said nothing. The
// lock is held.
func (q *queue) hangs(now time.Time) bool { return now.Sub(q.heard) > stallAfter }

// begin reports whether a try is to be skipped: a destination that hangs, and has not
// answered the try before, gets a few at once. The lock is held.
func (q *queue) begin() (skip bool) {
	if q.silent && q.trying >= probes && q.hangs(time.Now()) {
		return true
	}
	q.trying++
	return false
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
		skip := q.begin()
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
			q.tasks, q.head = append(q.tasks[:0], q.tasks[q.head:]...), 0
		}
		if (len(q.tasks)-q.head)%maxBatch == 0 {
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
		q.trying--
		q.finished++
		if q.silent = !answered; answered {
			q.heard = now
		}
	}
	if d := now.Sub(q.windowStart); d >= rateWindow {
		q.rate, q.finished, q.windowStart = float64(q.finished)/d.Seconds(), 0, now
	}
	behind := q.lanes[t.lane]
	if len(behind) == 0 {
		delete(q.lanes, t.lane)
		return task{}, false, false
	}
	q.lanes[t.lane] = behind[1:]
	q.parked--
	return behind[0], q.begin(), true
}

// estimate is how long the last of n waiting targets will wait. The lock is held.
func (q *queue) estimate(n int, now time.Time) time.Duration {
	rate, elapsed := q.rate, now.Sub(q.windowStart)
	switch {
	case elapsed >= rateWindow: // the window is over and nothing closed it: it is slower than that
		rate = float64(q.finished) / elapsed.Seconds()
	case rate == 0:
		return 0 // too early to tell
	}
	if rate == 0 {
		return 24 * time.Hour
	}
	return time.Duration(float64(n) / rate * float64(time.Second))
}
