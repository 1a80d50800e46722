// Package polltest waits for what a test is about: an event, never a while. What it waits
// for takes a moment on an idle machine; the bound is there against waiting for good, and
// a machine with other work does not reach it.
package polltest

import (
	"context"
	"testing"
	"time"
)

// Patience bounds what a test waits for.
const Patience = 3 * time.Minute

// Until waits until something has come to be, and ends the test if it does not.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !Wait(t, ok) {
		t.Fatalf("never: %s", what)
	}
}

// Wait reports whether something came to be while there was patience.
func Wait(t testing.TB, ok func() bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	for pause := time.Millisecond; !ok(); pause = min(2*pause, 50*time.Millisecond) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
	return true
}

// Receive waits for a value, and ends the test if none comes or the channel is closed.
func Receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case value, open := <-from:
		if !open {
			t.Fatalf("closed before it came: %s", what)
		}
		return value
	case <-timer.C:
		t.Fatalf("never: %s", what)
	}
	panic("not reached")
}

// Closed waits until a channel is closed, or gives a value.
func Closed[T any](t testing.TB, what string, done <-chan T) {
	t.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("never: %s", what)
	}
}
