package plan

import (
	"context"
	"slices"
	"sync"

	"chatbell"
)

// fanouts is how many pages of large requests are planned and written side by side: each
// waits for the store and the broker in turn, and four keep two processors busy.
const fanouts = 4

// turns is a fair semaphore: networks take turns at a few places, so that one with many
// large requests delays itself. Safe for concurrent use.
type turns struct {
	mu     sync.Mutex
	free   int
	queues map[chatbell.NetworkID][]chan struct{} // who waits, first come first served
	order  []chatbell.NetworkID                   // of those who wait, whose turn is next
}

func newTurns(places int) *turns {
	return &turns{free: places, queues: map[chatbell.NetworkID][]chan struct{}{}}
}

// take waits for a place. Whoever has taken one has to give it.
func (t *turns) take(ctx context.Context, network chatbell.NetworkID) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	if len(t.queues[network]) == 0 {
		t.order = append(t.order, network)
	}
	t.queues[network] = append(t.queues[network], turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		t.leave(network, turn)
		return ctx.Err()
	}
}

// busy reports that who takes a place now has to wait.
func (t *turns) busy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.free == 0
}

// leave gives up waiting, and passes on a place that came meanwhile.
func (t *turns) leave(network chatbell.NetworkID, turn chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.Index(t.queues[network], turn)
	if at < 0 {
		t.pass()
		return
	}
	t.queues[network] = slices.Delete(t.queues[network], at, at+1)
	if len(t.queues[network]) == 0 {
		delete(t.queues, network)
		t.order = slices.DeleteFunc(t.order, func(id chatbell.NetworkID) bool { return id == network })
	}
}

// give gives a place back.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass()
}

// pass hands a place to whose turn it is. The lock is held.
func (t *turns) pass() {
	if len(t.order) == 0 {
		t.free++
		return
	}
	network := t.order[0]
	t.order = t.order[1:]
	waiting := t.queues[network]
	close(waiting[0])
	if len(waiting) > 1 {
		t.queues[network] = waiting[1:]
		t.order = append(t.order, network)
		return
	}
	delete(t.queues, network)
}
