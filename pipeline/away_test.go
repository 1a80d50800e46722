package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"chatbell/internal/polltest"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
)

// awayTail is the end of a stream that cannot be read at first.
type awayTail struct {
	ledger.Tail
	asked atomic.Int32
}

func (a *awayTail) At(ctx context.Context, at time.Time) (uint64, error) {
	if a.asked.Add(1) <= 4 {
		return 0, errors.New("the broker is away")
	}
	return a.Tail.At(ctx, at)
}

// Nobody can tell what was sent before a restart, for longer than a message is tried: what
// may have been sent waits, and is not given up.
func TestRedeliveredWorkWaitsForTheLedger(t *testing.T) {
	s := newStage(t)
	s.device("b", "tb", "")
	s.post(created("1", "a", "b"))
	check(t, s.broker.Close())
	s.openBroker() // another process, which does not know who had the event
	s.run(nil, func(c *pipeline.Config, s *stage) {
		c.Results = &awayTail{Tail: c.Results}
		c.Subscribe = s.subscribe(2)
	})
	polltest.Until(t, "the phone is told", func() bool {
		dead, err := s.broker.LastSequence(t.Context(), jetstream.DeadLetters)
		check(t, err)
		if dead > 0 {
			t.Fatalf("the event was given up: %d dead letters", dead)
		}
		return len(s.phone.all()) > 0
	})
}
