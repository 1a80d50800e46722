package pipeline_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

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
	s := startWith(t, nil, func(c *pipeline.Config, _ *stage) {
		c.Publisher = &flaky{Publisher: c.Publisher}
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
