package app

import (
	"context"
	"errors"
	"testing"
	"time"
)

var (
	errBroken = errors.New("it broke")
	errLeft   = errors.New("some was left")
	errSignal = errors.New("told to stop")
)

// What ends a group of parts, and what its end says.
func TestParts(t *testing.T) {
	untilEnd := func(ctx context.Context) error { <-ctx.Done(); return nil }
	for name, tt := range map[string]struct {
		part  func(context.Context) error
		told  bool // to stop, from outside
		wants []error
	}{
		"told":                {untilEnd, true, nil},
		"told, cancelled":     {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, true, nil},
		"told, left some":     {func(ctx context.Context) error { <-ctx.Done(); return errLeft }, true, []error{errLeft}},
		"broken":              {func(context.Context) error { return errBroken }, false, []error{errBroken}},
		"ended without error": {func(context.Context) error { return nil }, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, tell := context.WithCancelCause(t.Context())
			defer tell(nil)
			p := newParts(ctx, time.Minute)
			stopping, drained, lastEnded := 0, false, false
			p.stopping = func(error) { stopping++ }
			p.last("last", func(ctx context.Context) error {
				<-ctx.Done()
				if lastEnded = true; !drained {
					t.Error("the last part was stopped before the drain")
				}
				return nil
			})
			p.run("part", tt.part)
			p.run("other", untilEnd)
			if tt.told {
				tell(errSignal)
			}
			err := p.wait(func(context.Context) { drained = true })
			if (err != nil) != (len(tt.wants) > 0) {
				t.Errorf("it ended with %v, want %v", err, tt.wants)
			}
			for _, want := range tt.wants {
				if !errors.Is(err, want) {
					t.Errorf("it ended with %v, want %v", err, want)
				}
			}
			if stopping != 1 || !drained || !lastEnded {
				t.Errorf("stopping was said %d times, drained %v, the last part ended %v", stopping, drained, lastEnded)
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
