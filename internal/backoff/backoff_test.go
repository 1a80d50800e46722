package backoff_test

import (
	"testing"
	"time"

	"chatbell/internal/backoff"
)

func TestExponential(t *testing.T) {
	for n, want := range map[int]time.Duration{
		-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 6: 30 * time.Second, 31: 30 * time.Second, 1 << 40: 30 * time.Second,
	} {
		if got := backoff.Exponential(time.Second, 30*time.Second, n); got != want {
			t.Errorf("after %d failures: %v, want %v", n, got, want)
		}
	}
}

// What is drawn stays within its bounds and comes near both of them.
func TestJitter(t *testing.T) {
	const wait = 8 * time.Second
	for name, c := range map[string]struct {
		draw        func() time.Duration
		least, most time.Duration
	}{
		"full":   {func() time.Duration { return backoff.FullJitter(time.Second, wait, 9) }, 50 * time.Millisecond, wait},
		"around": {func() time.Duration { return backoff.Around(wait, 0.1) }, wait * 9 / 10, wait * 11 / 10},
		"above":  {func() time.Duration { return backoff.Above(wait, 0.25) }, wait, wait * 5 / 4},
	} {
		least, most := time.Hour, time.Duration(0)
		for range 10_000 {
			got := c.draw()
			least = min(least, got)
			most = max(most, got)
		}
		near := (c.most - c.least) / 50
		if least < c.least || most > c.most || least > c.least+near || most < c.most-near {
			t.Errorf("%s: drawn from %v to %v, want %v to %v", name, least, most, c.least, c.most)
		}
	}
}
