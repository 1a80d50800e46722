package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// work is what one request does within the engine. A nil work counts nothing. The engine
// looks at a cancellation between two blocks of rows only, and there are functions that
// work on one block for hours; works finds those.
type work struct {
	who role
	// Both are nanoseconds since works.began, 0 for never.
	calling atomic.Int64 // since when the engine has been at work, without giving anything back
	left    atomic.Int64 // when the asker left
	clock   *works
}

// works are the requests under way.
type works struct {
	began time.Time

	mu  sync.Mutex
	all map[*work]struct{}
}

func newWorks() *works { return &works{began: time.Now(), all: map[*work]struct{}{}} }

// now is never 0.
func (w *works) now() int64 { return int64(max(time.Since(w.began), 1)) }

// begin notes a request; end forgets it.
func (w *works) begin(who role) *work {
	one := &work{who: who, clock: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[one] = struct{}{}
	return one
}

func (w *works) end(one *work) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, one)
}

// call notes that the engine is at work; the function that it gives, that it is not.
func (w *work) call() (returned func()) {
	if w == nil {
		return func() {}
	}
	w.calling.Store(w.clock.now())
	return func() { w.calling.Store(0) }
}

// leave notes that nobody waits for the answer any more.
func (w *work) leave() {
	if w != nil {
		w.left.CompareAndSwap(0, w.clock.now())
	}
}

// overdue finds a call of the engine that goes on although its end was due for longer
// than patience: its asker left, or an analyst's time was over. What waits for a slow
// reader between two calls is not overdue; the engine is not what it waits for.
func (w *works) overdue(patience time.Duration) error {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		calling := one.calling.Load()
		left := one.left.Load()
		if calling == 0 {
			continue
		}
		due := int64(1)<<62 - 1
		if one.who == analyst {
			due = calling + int64(analystTime)
		}
		if left != 0 {
			due = min(due, max(calling, left))
		}
		if late := time.Duration(now - due); late > patience {
			return fmt.Errorf("a statement of the %s cannot be cancelled: it ran on for %v after its end was due, and is ended with the engine's process", one.who, late.Round(time.Millisecond))
		}
	}
	return nil
}

// String names the role in a log.
func (r role) String() string { return [...]string{"stranger", "analyst", "writer"}[r] }

// watch ends the child, by cancel, when a statement is overdue.
func (w *works) watch(ctx context.Context, patience time.Duration, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(max(patience/8, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := w.overdue(patience); err != nil {
				cancel(err)
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
