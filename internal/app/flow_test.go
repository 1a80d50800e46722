package app_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

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
// come again; when there is room again events are taken. What fills it here are changes
// that cannot be written: they wait for as long as the store is held.
func TestBacklogFull(t *testing.T) {
	t.Parallel()
	const room = 5
	w := start(t, func(c *apptest.Config) { c.Options = app.Options{Backlog: room} })
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(apptest.Created("c", "bob"))
	const told = "SELECT uniqExact(event_id) FROM deliveries WHERE user_id = 'bob' AND outcome = 'accepted' AND target = 'apns'"
	w.Answers(told, "1")
	created := func(id string) event {
		return event{"id": id, "type": "channel.created", "channel": event{"id": id}, "members": []event{{"id": "bob"}}}
	}
	release := holdStore(t, w.Dir)
	taken := 0
	w.Eventually("the backlog is full", func() bool {
		status, answer := w.Call("POST", "/v1/events", []event{created(fmt.Sprint(taken))})
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
	if taken > room || taken < room-1 { // one less, if the first's acknowledgement was on its way
		t.Errorf("%d events were taken, want %d", taken, room)
	}
	status, _ := w.Call("POST", "/v1/events", []event{created("100"), created("101")})
	if status != http.StatusTooManyRequests {
		t.Errorf("two more: status %d", status)
	}
	release()
	w.Eventually("room again", func() bool {
		status, _, err := w.Try("POST", "/v1/events", []event{created(fmt.Sprint(taken))})
		return err == nil && status == http.StatusAccepted
	})
	w.Answers(told, fmt.Sprint(1+taken+1))
	if got := w.Query("SELECT count() FROM events WHERE event_id IN ('100', '101')"); got != "0" {
		t.Errorf("%s events of a refused request were stored", got)
	}
	w.Stop()
}

// holdStore keeps a server's store from writing until it is released.
func holdStore(t *testing.T, dir string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "data", "chatbell.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() { _ = db.Close() } // which undoes what was begun
}
