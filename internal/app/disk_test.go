package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// While the disk is nearly full events are refused and /readyz says so, and what was taken
// before is worked off; it ends by itself.
func TestDiskReserve(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	var free atomic.Uint64
	free.Store(100 * gib)
	w := start(t, func(c *apptest.Config) {
		c.Options.DiskFree = func(string) (uint64, uint64, error) { return free.Load(), 1000 * gib, nil }
	})
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(apptest.Created("c", "bob"))
	n := 0
	post := func() (int, string) {
		n++
		return w.Call("POST", "/v1/events", apptest.Said("c", fmt.Sprint(n)))
	}
	told := func() int { return len(w.Box.Notifications(sandbox.Query{})) }
	w.Eventually("the new channel is told", func() bool { return told() == 1 })

	if _, err := w.Box.Fail(sandbox.Failure{Provider: sandbox.ProviderAPNs, Hang: true}); err != nil {
		t.Fatal(err)
	}
	if status, answer := post(); status != http.StatusAccepted {
		t.Fatalf("an event: %d %s", status, answer)
	}
	free.Store(gib / 2)
	w.Eventually("events are refused", func() bool {
		status, answer := w.Call("POST", "/v1/events", apptest.Said("other", "refused"))
		if status == http.StatusTooManyRequests && !strings.Contains(answer, "disk") {
			t.Errorf("the answer is %s", answer)
		}
		return status == http.StatusTooManyRequests
	})
	if status, answer := w.Call("GET", "/readyz", nil); status != http.StatusServiceUnavailable || !strings.Contains(answer, "disk is full") {
		t.Errorf("/readyz: %d %s", status, answer)
	}
	w.Box.ClearFailures()
	w.Eventually("what was taken is sent", func() bool { return told() == 2 })
	w.Answers("SELECT count() FROM deliveries WHERE outcome = 'accepted'", "2")

	free.Store(100 * gib)
	w.Eventually("events are taken again", func() bool {
		status, _ := post()
		return status == http.StatusAccepted
	})
	w.Eventually("and sent", func() bool { return told() == 3 })
	w.Stop()
}
