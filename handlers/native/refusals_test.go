package native_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbell/handlers/native"
	"chatbell/internal/store"
)

// A store that is away for thousands of requests is told once for each route, with the
// cause, and once more when it is back, with their number.
func TestRefusalsAreToldOnce(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	state := &broken{err: fmt.Errorf("put user: %w: the cause", store.ErrFull)}
	h, log := handler(t, func(c *native.Config) {
		state.State, c.State = c.State, state
		c.Now = func() time.Time { return now }
	})
	put := func(status int) {
		t.Helper()
		if a := ask(h, "PUT", "/v1/users/a", "{}"); a.status != status {
			t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
		}
	}
	tells := func(what string, times int) {
		t.Helper()
		if got := strings.Count(log.String(), what); got != times {
			t.Errorf("the log says %q %d times, want %d:\n%s", what, got, times, log)
		}
	}
	for range 1000 {
		put(503)
	}
	tells("requests are refused", 1)
	tells("the cause", 1)
	if a := ask(h, "GET", "/v1/users/a", ""); a.status != 503 {
		t.Fatalf("status %d", a.status)
	}
	tells("requests are refused", 2) // another route

	state.err = nil
	now = now.Add(time.Second)
	put(200)
	tells("taken again", 0) // it may be one of many that pass
	now = now.Add(time.Minute)
	put(200)
	put(200)
	tells("taken again", 1)
	tells("refused=1000", 1)
	state.err = store.ErrFull
	put(503)
	tells("requests are refused", 3) // a new state
}
