package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"chatbell"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline"
)

// stuck is a store that does not let go of an event, whatever its context says.
type stuck struct {
	*sqlite.Store
	has, release chan struct{}
}

func (s *stuck) Apply(ctx context.Context, seq uint64, env *chatbell.Envelope) error {
	close(s.has)
	<-s.release
	return s.Store.Apply(ctx, seq, env)
}

// A stop that leaves work behind says so: it is neither finished nor handed back.
func TestStopLeavesWorkBehind(t *testing.T) {
	s := newStage(t)
	slow := &stuck{has: make(chan struct{}), release: make(chan struct{})}
	s.ended = func(err error) {
		if !errors.Is(err, pipeline.ErrLeft) || !strings.HasSuffix(err.Error(), "(messages: 1)") {
			t.Errorf("the pipeline ended with %v, want one message that was left", err)
		}
		close(slow.release)
	}
	s.run(nil, func(c *pipeline.Config, s *stage) {
		slow.Store = s.store
		c.Store = slow
	})
	s.post(text("1", "a", "hello"))
	<-slow.has
	s.stop()
}
