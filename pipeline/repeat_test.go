package pipeline_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/ledger/rowcodec"
	"chatbell/pipeline/work"
)

// book answers for ClickHouse: it has what was written to RESULTS.
type book struct {
	s    *stage
	mu   sync.Mutex
	rows chatbell.Results
	next uint64
}

func (b *book) CatchUp(ctx context.Context, _ bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.reading.Lock()
	records, err := b.s.broker.Read(ctx, work.StreamResults, max(b.next, 1), 1000, 0)
	b.s.reading.Unlock()
	for _, r := range records {
		if err := rowcodec.Append(&b.rows, r.Payload); err != nil {
			return err
		}
		b.next = r.Sequence + 1
	}
	return err
}

func (b *book) Recorded(context.Context, []chatbell.UUID) (map[chatbell.UUID]struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[chatbell.UUID]struct{}{}
	for _, d := range b.rows.Deliveries {
		out[d.DeliveryID] = struct{}{}
	}
	return out, nil
}

func (b *book) Touched(context.Context, time.Time, int) (map[ledger.EventKey]struct{}, bool, error) {
	return nil, false, nil
}

// flaky fails the first publish to RESULTS, as a cluster that loses its leader does.
type flaky struct {
	message.Publisher
	failed atomic.Bool
}

func (f *flaky) Publish(topic string, msgs ...*message.Message) error {
	if topic == work.StreamResults && f.failed.CompareAndSwap(false, true) {
		return jetstream.ErrUnavailable
	}
	return f.Publisher.Publish(topic, msgs...)
}

// The rows of an event cannot be written at first, and one of its phones has to be
// tried again: it is accepted once, and has one row.
func TestResultsFailOnce(t *testing.T) {
	s := startWith(t, nil, func(c *pipeline.Config, s *stage) {
		c.Recorded, c.Publisher = &book{s: s}, &flaky{Publisher: c.Publisher}
		c.Retry.PushInitial, c.Retry.PushMax = 3*time.Second, 3*time.Second
	})
	var tried atomic.Int32
	s.phone.answer = func(string) error {
		if tried.Add(1) == 1 {
			return &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, Status: 503, RetryAfter: 3 * time.Second}
		}
		return nil
	}
	s.device("b", "tb", "")
	s.post(created("1", "a", "b"))
	s.until("nothing is left to do", func() bool { return len(s.results.Deliveries) > 0 && s.idle() })
	if n := len(s.phone.all()); n != 1 {
		t.Errorf("the phone accepted %d times, want once", n)
	}
	if n := len(s.results.Deliveries); n != 1 {
		t.Errorf("%d deliveries rows, want 1: %+v", n, s.results.Deliveries)
	}
}
