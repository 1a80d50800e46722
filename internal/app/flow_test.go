package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbell/internal/app"
	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// The trace that a request belongs to reaches the provider; a new span is ours.
func TestTraceReachesProvider(t *testing.T) {
	t.Parallel()
	const trace = "0af7651916cd43dd8448eb211c80319c"
	w := start(t)
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Device("carol", "fcm", "token-carol", "en")
	e := apptest.Created("c", "bob")
	e["members"] = []event{{"id": "bob"}, {"id": "carol"}}
	if status, answer, err := w.Try(http.MethodPost, "/v1/events", e, "traceparent", "00-"+trace+"-b7ad6b7169203331-01"); err != nil || status != http.StatusAccepted {
		t.Fatalf("status %d, %s, %v", status, answer, err)
	}
	w.Eventually("both are told", func() bool { return len(w.Box.Notifications(sandbox.Query{})) == 2 })
	for _, n := range w.Box.Notifications(sandbox.Query{}) {
		if !strings.HasPrefix(n.TraceParent, "00-"+trace+"-") {
			t.Errorf("%s got the trace %q", n.Provider, n.TraceParent)
		}
	}
	w.Stop()
}

// When the backlog is full nothing of a request is stored, and the answer says when to
// come again; when there is room again events are taken.
func TestBacklogFull(t *testing.T) {
	t.Parallel()
	const room = 5
	w := start(t, func(c *apptest.Config) {
		c.Options = app.Options{Backlog: room, SendTimeout: time.Hour} // what hangs does so until it is let go
	})
	if _, err := w.Box.Fail(sandbox.Failure{Provider: sandbox.ProviderAPNs, Hang: true}); err != nil {
		t.Fatal(err)
	}
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(apptest.Created("c", "bob"))
	taken := 1
	w.Eventually("the backlog is full", func() bool {
		status, answer := w.Call("POST", "/v1/events", []event{apptest.Said("c", fmt.Sprint(taken))})
		switch status {
		case http.StatusAccepted:
			taken++
			return false
		case http.StatusTooManyRequests:
			if !strings.Contains(answer, "backlog") {
				t.Errorf("the answer is %s", answer)
			}
			return true
		default:
			t.Fatalf("status %d: %s", status, answer)
			return true
		}
	})
	if taken < room { // more, if the machine is so slow that the first is given up to its backlog meanwhile
		t.Errorf("%d events were taken, want %d", taken, room)
	}
	status, _ := w.Call("POST", "/v1/events", []event{apptest.Said("c", "100"), apptest.Said("c", "101")})
	if status != http.StatusTooManyRequests {
		t.Errorf("two more: status %d", status)
	}
	w.Box.ClearFailures()
	w.Eventually("room again", func() bool {
		status, _, err := w.Try("POST", "/v1/events", []event{apptest.Said("c", fmt.Sprint(taken))})
		return err == nil && status == http.StatusAccepted
	})
	w.Answers("SELECT uniqExact(event_id) FROM deliveries WHERE user_id = 'bob' AND outcome = 'accepted' AND target = 'apns'", fmt.Sprint(taken+1))
	if got := w.Query("SELECT count() FROM events WHERE event_id IN ('100', '101')"); got != "0" {
		t.Errorf("%s events of a refused request were stored", got)
	}
	w.Stop()
}
