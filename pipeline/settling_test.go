package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline"
)

// unsettled is a store that cannot take at first what became of waiting batches.
type unsettled struct {
	pipeline.Store
	refused atomic.Int32
}

func (u *unsettled) SettleWaiting(ctx context.Context, settled store.Settled) error {
	if u.refused.Add(1) <= 4 {
		return errors.New("the store is away")
	}
	return u.Store.SettleWaiting(ctx, settled)
}

// What a retry came to cannot be stored at once: it is not made again meanwhile.
func TestSettlingIsTriedAgain(t *testing.T) {
	s := startWith(t, nil, func(c *pipeline.Config, _ *stage) { c.Store = &unsettled{Store: c.Store} })
	s.device("b", "tb", "")
	var tries atomic.Int32
	s.phone.answer = func(string) error {
		if tries.Add(1) == 1 {
			return &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, Status: 503}
		}
		return nil
	}
	s.post(created("1", "a", "b"))
	s.until("nothing is left to do", func() bool { return len(s.results.Deliveries) > 0 && s.idle() })
	if n := tries.Load(); n != 2 {
		t.Errorf("%d tries, want the first and one more", n)
	}
	if n := len(s.results.Deliveries); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}
