package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell"
)

const (
	// bodyBudget bounds the bodies that all requests have in memory, in bytes. What is made
	// of a body takes several times as much; sixteen of the largest keep two cores busy.
	bodyBudget = 64 << 20
	// bodyWait is how long a request waits for room: bodies are handled in milliseconds, and
	// what is not read meanwhile slows its sender down.
	bodyWait = time.Second
)

// Bodies is a budget of memory for request bodies (a bulkhead): all together have a bound,
// and one network has no more than is free besides, so that it leaves room for the others
// however much it sends. Safe for concurrent use.
type Bodies struct {
	total int64
	over  func()

	mu       sync.Mutex
	used     int64
	networks map[chatbell.NetworkID]int64
	waiting  int
	freed    chan struct{} // closed when something was given back while somebody waits
}

// NewBodies makes a budget. Over is called for each request that found no room; nil calls
// nobody.
func NewBodies(over func()) *Bodies {
	if over == nil {
		over = func() {}
	}
	return &Bodies{total: bodyBudget, over: over, networks: map[chatbell.NetworkID]int64{}, freed: make(chan struct{})}
}

// Take takes room for the body of a request that a surface reads by itself: of its length
// (Content-Length), or of the most that it may have where that is negative. It waits for a
// second at most; the error is a 429. What it gives has to be called once, when the request
// was answered.
func (b *Bodies) Take(ctx context.Context, network chatbell.NetworkID, length int64) (give func(), err error) {
	if length < 0 {
		length = MaxBody
	}
	if err := b.take(ctx, network, length); err != nil {
		return nil, err
	}
	return func() { b.give(network, length) }, nil
}

// take takes bytes for a network, at once or within [bodyWait].
func (b *Bodies) take(ctx context.Context, network chatbell.NetworkID, n int64) error {
	if b.try(network, n) == nil {
		return nil
	}
	timer := time.NewTimer(bodyWait)
	defer timer.Stop()
	b.wait(1)
	defer b.wait(-1)
	for {
		freed := b.try(network, n)
		if freed == nil {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			b.over()
			return RetryLater(http.StatusTooManyRequests, 1,
				"the bodies of this network's requests that are under way take all the memory that one network may have; nothing was stored, send fewer or smaller ones at once")
		}
	}
}

func (b *Bodies) wait(change int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting += change
}

// try takes bytes if there is room; else it tells what is closed when there may be.
func (b *Bodies) try(network chatbell.NetworkID, n int64) (freed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.networks[network]+n > b.total-b.used {
		return b.freed
	}
	b.used += n
	b.networks[network] += n
	return nil
}

// give gives bytes back.
func (b *Bodies) give(network chatbell.NetworkID, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if b.networks[network] -= n; b.networks[network] == 0 {
		delete(b.networks, network)
	}
	if b.waiting > 0 {
		close(b.freed)
		b.freed = make(chan struct{})
	}
}

// share is what one request has of the budget.
type share struct {
	of      *Bodies
	network chatbell.NetworkID
	bytes   int64
}

const shareKey = "body"

// bounded gives each request a share, and takes it back when it was answered.
func (b *Bodies) bounded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		own := &share{of: b}
		c.Set(shareKey, own)
		defer own.resize(0)
		return next(c)
	}
}

// reserve takes room for the body of a request, whose length may be unknown.
func reserve(c echo.Context) (*share, error) {
	own, ok := c.Get(shareKey).(*share)
	if !ok {
		return new(share), nil // a surface that has no budget
	}
	n := c.Request().ContentLength
	if n < 0 {
		n = MaxBody
	}
	network := CallerOf(c).Network
	if err := own.of.take(c.Request().Context(), network, n); err != nil {
		return nil, err
	}
	own.resize(0) // of a body that was read before
	own.network = network
	own.bytes = n
	return own, nil
}

// resize gives back what is not needed.
func (s *share) resize(n int64) {
	if s.of == nil || s.bytes <= n {
		return
	}
	s.of.give(s.network, s.bytes-n)
	s.bytes = n
}
