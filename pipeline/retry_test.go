package pipeline_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline"
	"chatbell/pipeline/work"
)

// One phone's long wait is its own: the others of the same message are tried again when
// their time has come.
func TestRetriesWaitForThemselves(t *testing.T) {
	s := start(t, nil)
	for _, token := range []string{"ta", "tb", "tc"} {
		s.device("user-"+token, token, "")
	}
	var tries atomic.Int32
	s.phone.answer = func(token string) error {
		switch token {
		case "ta":
			return &chatbell.SendError{Reason: chatbell.RateLimited, Retry: true, Status: 429, RetryAfter: 50 * time.Minute}
		case "tb":
			if tries.Add(1) < 3 {
				return &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, Status: 503}
			}
		}
		return nil
	}
	s.post(created("1", "a", "user-ta", "user-tb", "user-tc"))
	s.until("b and c are told", func() bool { return len(s.results.Deliveries) >= 2 })
	if got := s.outcomes(); got["user-tb apns accepted /"] != 1 || got["user-tc apns accepted /"] != 1 {
		t.Errorf("outcomes %v", got)
	}
	s.until("only a waits, for long", func() bool { // b's row is deleted after its results were written
		backlogs, err := s.store.Backlogs(t.Context())
		check(t, err)
		return len(backlogs) == 1 && backlogs[0].Rows == 1 && time.Until(backlogs[0].Next) > 40*time.Minute
	})
}

// watched is a store that tells of each wait before it is stored.
type watched struct {
	*sqlite.Store
	before atomic.Pointer[func()]
}

func (w *watched) PutWaiting(ctx context.Context, rows []store.Waiting) ([]int64, error) {
	if f := w.before.Load(); f != nil {
		(*f)()
	}
	return w.Store.PutWaiting(ctx, rows)
}

// A retry is known only after the row of the try before it: whatever is killed, a
// delivery has as many rows of attempts as it says.
func TestRowsBeforeRetries(t *testing.T) {
	var store *watched
	s := startWith(t, nil, func(c *pipeline.Config, s *stage) {
		store = &watched{Store: s.store}
		c.Store = store
	})
	s.device("b", "tb", "")
	var tries atomic.Int32
	s.phone.answer = func(string) error {
		if tries.Add(1) == 1 {
			return &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, Status: 503}
		}
		return nil
	}
	var results atomic.Uint64
	before := func() {
		last, err := s.broker.LastSequence(t.Context(), work.StreamResults)
		if err != nil {
			t.Error(err)
		}
		results.Store(last)
	}
	store.before.Store(&before)
	s.post(created("1", "a", "b"))
	s.wait(1)
	if results.Load() == 0 {
		t.Error("the retry was stored before the row of its try")
	}
	if d := s.results.Deliveries[0]; d.Attempts != 2 || len(s.results.Attempts) != 2 {
		t.Errorf("%d attempts and %d rows, want 2", d.Attempts, len(s.results.Attempts))
	}
}
