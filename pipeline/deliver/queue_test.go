package deliver

import (
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbell/internal/polltest"
	"chatbell/pipeline/work"
)

// tries notes what ran.
type tries struct {
	mu   sync.Mutex
	done []int
}

func (r *tries) run(n int) func(bool) answer {
	return func(bool) answer {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done = append(r.done, n)
		return answer{kind: able}
	}
}

// testQueue is a queue whose backlog nobody looks at.
func testQueue(wg *sync.WaitGroup) *queue {
	quiet := &quietShare{sum: func(time.Time) int { return 0 }}
	return newQueue(work.Destination{Network: "acme", Endpoint: "main"}, wg, quiet, slog.New(slog.DiscardHandler), func() {})
}

func (r *tries) all() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.done)
}

// A phone's tries are made one after another, in their order, also where the first
// takes its time; other phones do not wait for it.
func TestQueueKeepsPhonesInOrder(t *testing.T) {
	var wg sync.WaitGroup
	var slow, other tries
	q := testQueue(&wg)
	release, otherDone := make(chan struct{}), make(chan struct{})
	var tasks []task
	var want []int
	for i := range maxParked {
		run := slow.run(i)
		if i == 0 {
			run = func(bool) answer { <-release; return slow.run(0)(false) }
		}
		tasks = append(tasks, task{key: "slow", run: run}, task{key: "other", run: other.run(i)})
		want = append(want, i)
	}
	tasks = append(tasks, task{key: "other", run: func(bool) answer { close(otherDone); return answer{kind: able} }})
	if !q.put(t.Context(), tasks, 8, queueQuota) {
		t.Fatal("the queue took nothing")
	}
	<-otherDone
	if got := slow.all(); len(got) != 0 {
		t.Errorf("tries %v overtook the first of their phone", got)
	}
	close(release)
	wg.Wait()
	if got := slow.all(); !slices.Equal(got, want) {
		t.Errorf("the slow phone's tries were made in the order %v", got)
	}
	if got := other.all(); !slices.Equal(got, want) {
		t.Errorf("the other phone's tries were made in the order %v", got)
	}
	if n := q.tasks.Len(); n != 0 {
		t.Errorf("%d tries are left", n)
	}
}

// What one phone holds up is bounded: the rest goes past it.
func TestQueueBoundsParked(t *testing.T) {
	var wg sync.WaitGroup
	var ran tries
	q := testQueue(&wg)
	release, past := make(chan struct{}), make(chan struct{})
	tasks := []task{{key: "slow", run: func(bool) answer { <-release; return ran.run(0)(false) }}}
	for i := range maxParked {
		tasks = append(tasks, task{key: "slow", run: ran.run(i + 1)})
	}
	tasks = append(tasks, task{key: "slow", run: func(bool) answer { close(past); return answer{kind: able} }})
	if !q.put(t.Context(), tasks, 8, queueQuota) {
		t.Fatal("the queue took nothing")
	}
	<-past
	if got := ran.all(); len(got) != 0 {
		t.Errorf("tries %v did not wait for the first", got)
	}
	close(release)
	wg.Wait()
	if got := ran.all(); len(got) != maxParked+1 || !slices.IsSorted(got) {
		t.Errorf("the parked tries were made in the order %v", got)
	}
}

// What is parked has its place in the queue's quota: phones that hang cannot make the queue
// longer than it may be.
func TestQueueCountsParked(t *testing.T) {
	var wg sync.WaitGroup
	q := testQueue(&wg)
	for i := range queueQuota {
		q.tasks.Push(strconv.Itoa(i/(maxParked+1)), task{})
	}
	for ok := true; ok; {
		_, _, ok = q.tasks.Next() // the first of each phone is under way, the others are parked
	}
	for range queueQuota / maxParked { // as many as phones
		q.tasks.Push("ahead", task{})
	}
	q.pool.running = 1
	q.breaker.heard = time.Now()
	q.meter.since = q.meter.since.Add(-2 * rateWindow)
	if q.put(t.Context(), []task{{key: "other"}}, 2, queueQuota) {
		t.Error("a full queue took more")
	}
}

// One that says nothing gets its share, and when it hangs a few tries at once; as soon
// as it answers it gets all again.
func TestQueueShares(t *testing.T) {
	var wg sync.WaitGroup
	q := testQueue(&wg)
	release := make(chan struct{})
	some := func(n int) []task {
		return slices.Repeat([]task{{key: "", run: func(bool) answer { <-release; return answer{kind: able} }}}, n)
	}
	silentFor := func(d time.Duration) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.breaker.heard = time.Now().Add(-d)
	}
	for _, x := range []struct {
		silent time.Duration
		n      int
		want   bool
	}{
		{2 * stallAfter, 100, true}, // an empty queue takes a whole batch
		{quietAfter / 2, 100, true},
		{2 * quietAfter, 50, true},
		{2 * quietAfter, 51, false}, // 250 in hand and 51 are more than 300
		{2 * stallAfter, 1, false},
		{0, 51, true},
	} {
		silentFor(x.silent)
		if got := q.put(t.Context(), some(x.n), 1, 300); got != x.want {
			t.Errorf("after %v of silence %d more: %v, want %v", x.silent, x.n, got, x.want)
		}
	}
	close(release)
	wg.Wait()
}

// While a destination hangs, what waits for it is not tried in vain, one after another:
// it goes, and a few tries find out whether the destination is back.
func TestQueueSkipsWhatWouldHang(t *testing.T) {
	const limit, more = 2 * probes, 100
	var wg sync.WaitGroup
	var skipped atomic.Int32
	q := testQueue(&wg)
	one, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var begun sync.WaitGroup
	begun.Add(limit)
	hang := func(bool) answer {
		begun.Done()
		select {
		case <-one:
		case <-release:
		}
		return answer{kind: noAnswer}
	}
	tasks := slices.Repeat([]task{{key: "", run: hang}}, limit)
	for range more {
		tasks = append(tasks, task{key: "", run: func(skip bool) answer {
			if skip && skipped.Add(1) == more {
				close(left)
			}
			return answer{}
		}})
	}
	q.put(t.Context(), tasks, limit, queueQuota)
	begun.Wait()
	q.mu.Lock()
	q.breaker.heard = q.breaker.heard.Add(-2 * stallAfter)
	q.mu.Unlock()
	one <- struct{}{} // the first try is given up
	<-left
	close(release)
	wg.Wait()
	if q.breaker.trying != 0 {
		t.Errorf("%d tries are counted at the end", q.breaker.trying)
	}
	var ran tries
	if q.put(t.Context(), []task{{key: "", run: ran.run(2)}}, limit, queueQuota) {
		t.Error("a destination whose breaker is open was given new work")
	}
	q.admit([]task{{key: "", run: ran.run(1)}}, limit) // a probe, from the backlog
	wg.Wait()
	if len(ran.all()) != 1 || q.breaker.silent {
		t.Errorf("a destination that had kept silent was not asked again: %v %+v", ran.all(), q.breaker)
	}
}

// A destination gets as many tries at once as it may have, also where they come one by
// one: a try that hangs holds up no other.
func TestQueueRunsSideBySide(t *testing.T) {
	var wg sync.WaitGroup
	q := testQueue(&wg)
	hang := make(chan struct{})
	begun := make(chan int, 8)
	for i := range 8 {
		q.put(t.Context(), []task{{run: func(bool) answer { begun <- i; <-hang; return answer{kind: able} }}}, 8, queueQuota)
		select {
		case <-begun:
		case <-time.After(polltest.Patience):
			close(hang)
			t.Fatalf("try %d waits for those before it, although 8 may be under way", i)
		}
	}
	close(hang)
	wg.Wait()
}
