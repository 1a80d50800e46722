package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"chatbell/internal/polltest"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
)

// recordsAway cannot say what was sent, at first.
type recordsAway struct {
	*stage
	asked atomic.Int32
}

func (r *recordsAway) CatchUp(context.Context, bool) error {
	if r.asked.Add(1) <= 4 {
		return errors.New("ClickHouse is away")
	}
	return nil
}

// ClickHouse is away after a restart, for longer than a message is tried: the backlog
// waits for it and is not given up.
func TestBacklogWaitsForRecords(t *testing.T) {
	s := newStage(t)
	s.device("b", "tb", "")
	s.post(created("1", "a", "b"))
	check(t, s.broker.Close())
	s.openBroker() // another process, which does not know who had the event
	s.run(nil, func(c *pipeline.Config, s *stage) {
		c.Recorded = &recordsAway{stage: s}
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
