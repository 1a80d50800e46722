package h2

import (
	"slices"
	"sync"
)

// waitList is the requests that wait for a place, the first to come first. It has a
// lock of its own because connections call wake from inside calls that the pool makes
// under its lock. Its length is bounded by the callers: each waits in a Send.
type waitList struct {
	mu sync.Mutex
	q  []*waiter
}

type waiter struct{ woken chan struct{} }

func (l *waitList) add() *waiter {
	waiting := &waiter{woken: make(chan struct{}, 1)}
	l.mu.Lock()
	l.q = append(l.q, waiting)
	l.mu.Unlock()
	return waiting
}

// remove takes w out. A wake-up that w got and did not use goes to the next: it
// stands for a free place.
func (l *waitList) remove(w *waiter) {
	l.mu.Lock()
	l.q = slices.DeleteFunc(l.q, func(o *waiter) bool { return o == w })
	l.mu.Unlock()
	select {
	case <-w.woken:
		l.wake()
	default:
	}
}

func (l *waitList) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.q)
}

// wake tells the first who has not been told yet that there may be a place.
func (l *waitList) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, waiting := range l.q {
		select {
		case waiting.woken <- struct{}{}:
			return
		default:
		}
	}
}

func (l *waitList) wakeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, waiting := range l.q {
		select {
		case waiting.woken <- struct{}{}:
		default:
		}
	}
}
