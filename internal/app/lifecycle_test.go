package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	errBroken = errors.New("it broke")
	errLeft   = errors.New("some was left")
	errSignal = errors.New("told to stop")
)

// noted are steps in the order in which they happened.
type noted struct {
	mu    sync.Mutex
	steps []string
}

func (n *noted) note(step string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.steps = append(n.steps, step)
}

// untilEnd is a part that ends when it is told to.
func (n *noted) untilEnd(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		n.note(name)
		return nil
	}
}

// What ends the parts, what their end says, and in which order they end.
func TestLifecycle(t *testing.T) {
	for name, tt := range map[string]struct {
		part func(context.Context) error
		told bool // to stop, from outside
		want error
	}{
		"told":            {func(ctx context.Context) error { <-ctx.Done(); return nil }, true, nil},
		"told, cancelled": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, true, nil},
		"told, left some": {func(ctx context.Context) error { <-ctx.Done(); return errLeft }, true, errLeft},
		"broken":          {func(context.Context) error { return errBroken }, false, errBroken},
		"ended by itself": {func(context.Context) error { return nil }, false, errEnded},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, tell := context.WithCancelCause(t.Context())
			defer tell(nil)
			var steps noted
			l := newLifecycle(ctx, func(cause error) {
				steps.note("stopping")
				if tt.told && !errors.Is(cause, errSignal) || !tt.told && !errors.Is(cause, tt.want) {
					t.Errorf("it stops because of %v", cause)
				}
			})
			l.add("part", tt.part)
			l.add("pipeline", steps.untilEnd("pipeline"))
			l.barrier(func() { steps.note("drain") })
			l.add("recorder", steps.untilEnd("recorder"))
			if tt.told {
				tell(errSignal)
			}
			if err := l.run(); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("it ended with %v, want %v", err, tt.want)
			}
			if want := []string{"stopping", "pipeline", "drain", "recorder"}; !slices.Equal(steps.steps, want) {
				t.Errorf("it ended by %q, want %q", steps.steps, want)
			}
		})
	}
}

// Work gets its time, letting go gets its own, and both together are shutdown_timeout
// unless that is very short.
func TestPatience(t *testing.T) {
	for shutdown, want := range map[time.Duration][2]time.Duration{
		30 * time.Second: {28 * time.Second, 30 * time.Second},
		4 * time.Second:  {2 * time.Second, 4 * time.Second},
		time.Second:      {500 * time.Millisecond, 2500 * time.Millisecond},
	} {
		if got := [2]time.Duration{patience(shutdown), giveUp(shutdown)}; got != want {
			t.Errorf("of %v work gets %v, want %v", shutdown, got, want)
		}
	}
}
