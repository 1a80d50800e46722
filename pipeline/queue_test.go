package pipeline

import (
	"slices"
	"sync"
	"testing"
)

// tries notes what ran.
type tries struct {
	mu   sync.Mutex
	done []int
}

func (r *tries) run(n int) func() {
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done = append(r.done, n)
	}
}

func (r *tries) all() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.done)
}

// A phone's tries are made one after another, in their order, also where the first
// takes its time; other phones do not wait for it.
func TestQueueKeepsLanesInOrder(t *testing.T) {
	var wg sync.WaitGroup
	var slow, other tries
	q := newQueue(8, &wg)
	release, otherDone := make(chan struct{}), make(chan struct{})
	var tasks []task
	var want []int
	for i := range maxParked {
		run := slow.run(i)
		if i == 0 {
			run = func() { <-release; slow.run(0)() }
		}
		tasks = append(tasks, task{"slow", run}, task{"other", other.run(i)})
		want = append(want, i)
	}
	tasks = append(tasks, task{"other", func() { close(otherDone) }})
	if !q.put(t.Context(), tasks) {
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
	if len(q.lanes) != 0 || q.parked != 0 {
		t.Errorf("%d lanes and %d parked tries are left", len(q.lanes), q.parked)
	}
}

// What one phone holds up is bounded: the rest goes past it.
func TestQueueBoundsLanes(t *testing.T) {
	var wg sync.WaitGroup
	var ran tries
	q := newQueue(8, &wg)
	release, past := make(chan struct{}), make(chan struct{})
	tasks := []task{{"slow", func() { <-release; ran.run(0)() }}}
	for i := range maxParked {
		tasks = append(tasks, task{"slow", ran.run(i + 1)})
	}
	tasks = append(tasks, task{"slow", func() { close(past) }})
	if !q.put(t.Context(), tasks) {
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

// What is parked has its place in the queue's quota: a phone that hangs cannot make
// the queue longer than it may be.
func TestQueueCountsParked(t *testing.T) {
	var wg sync.WaitGroup
	q := newQueue(2, &wg)
	release := make(chan struct{})
	var tasks []task
	for range maxParked {
		tasks = append(tasks, task{"slow", func() { <-release }})
	}
	q.put(t.Context(), tasks)
	q.put(t.Context(), []task{{"other", func() { close(release) }}}) // ran: all before it are parked
	wg.Wait()
	q.parked, q.workers = queueQuota, 1
	q.windowStart = q.windowStart.Add(-2 * rateWindow)
	if q.put(t.Context(), tasks) {
		t.Error("a full queue took more")
	}
}
