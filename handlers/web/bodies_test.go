package web

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"chatbell/internal/polltest"
)

// One network's bodies leave room for those of another, however many there are; what finds
// no room is told to come again, and gets in when something was given back.
func TestBodies(t *testing.T) {
	refused := 0
	b := NewBodies(func() { refused++ })
	held := 0
	for b.try("acme", MaxBody) == nil {
		held++
	}
	if want := bodyBudget / MaxBody / 2; held != want {
		t.Errorf("one network holds %d of the largest bodies, want %d", held, want)
	}
	err := b.take(t.Context(), "acme", MaxBody)
	var problem *Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusTooManyRequests || problem.retryAfter < 1 || refused != 1 {
		t.Errorf("one more is told %v, %d were counted", err, refused)
	}
	if err := b.take(t.Context(), "globex", MaxBody); err != nil {
		t.Errorf("another network: %v", err)
	}
	b.give("globex", MaxBody)
	left, leave := context.WithCancel(t.Context())
	leave()
	if err := b.take(left, "acme", MaxBody); !errors.Is(err, context.Canceled) {
		t.Errorf("who left is told %v", err)
	}
	let := make(chan error, 1)
	go func() { let <- b.take(t.Context(), "acme", MaxBody) }()
	polltest.Until(t, "it waits", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.waiting == 1
	})
	b.give("acme", MaxBody)
	if err := polltest.Receive(t, "it gets in", let); err != nil {
		t.Error(err)
	}
	for range held {
		b.give("acme", MaxBody)
	}
	if b.used != 0 || len(b.networks) != 0 {
		t.Errorf("when all is given back %d bytes are used by %v", b.used, b.networks)
	}
}
