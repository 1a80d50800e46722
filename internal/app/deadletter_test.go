package app_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// An event that was given up is found with its reason, and when it is replayed it rings; one
// whose cause is still there comes back. An old change of the state does not undo a newer one.
func TestDeadLetterIsReplayed(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(apptest.Created("c", "bob"))
	w.Post(event{"id": "renamed", "type": "channel.updated", "actor": event{"id": "a"}, "channel": event{"id": "c", "name": "New"}})
	w.Eventually("the channel is there", func() bool {
		_, answer := w.Call("GET", "/v1/channels/c", nil)
		return strings.Contains(answer, "New")
	})
	w.Stop()
	bury(t, filepath.Join(w.Dir, "data", "jetstream"),
		chatbell.Event{ID: "lost", Type: "message.created", Actor: chatbell.Person{ID: "alice", Name: "Alice"}, Channel: chatbell.ChannelRef{ID: "c"}, Message: &chatbell.Message{ID: "m", Type: "text", Text: "found"}},
		chatbell.Event{ID: "old", Type: "channel.updated", Actor: chatbell.Person{ID: "a"}, Channel: chatbell.ChannelRef{ID: "c", Name: "Old"}})
	w.Start()
	type page struct {
		Items []struct {
			ID, Reason string
			EventID    string `json:"event_id"`
		}
	}
	list := func() (p page) {
		if _, answer := w.Call("GET", "/v1/dead-letters", nil); json.Unmarshal([]byte(answer), &p) != nil {
			t.Errorf("the list is %s", answer)
		}
		return p
	}
	got := list()
	if len(got.Items) != 3 || got.Items[0].EventID != "lost" || got.Items[0].Reason != "the test wanted it" {
		t.Fatalf("the list is %+v", got)
	}
	for _, one := range got.Items {
		if status, answer := w.Call("POST", "/v1/dead-letters/"+one.ID+"/replay", nil); status != http.StatusAccepted {
			t.Errorf("replay: %d %s", status, answer)
		}
	}
	w.Eventually("the phone rings", func() bool {
		return slices.ContainsFunc(w.Box.Notifications(sandbox.Query{}), func(n sandbox.Notification) bool { return strings.Contains(n.Body, "found") })
	})
	w.Eventually("what cannot be read comes back", func() bool {
		left := list()
		return len(left.Items) == 1 && left.Items[0].EventID == "" && strings.Contains(left.Items[0].Reason, "decode")
	})
	w.Answers("SELECT count() FROM events WHERE event_id = 'old'", "1")
	if _, answer := w.Call("GET", "/v1/channels/c", nil); !strings.Contains(answer, "New") {
		t.Errorf("an old event changed the channel: %s", answer)
	}
	w.Stop()
}

// bury puts events, and one that cannot be read, among the dead letters of a stopped server.
func bury(t *testing.T, dir string, events ...chatbell.Event) {
	t.Helper()
	broker, err := jetstream.Open(t.Context(), jetstream.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	subject := work.Subject(work.StreamEvents, "acme\x00c", "acme")
	for i, e := range events {
		payload, err := json.Marshal(chatbell.Envelope{Network: "acme", Event: e, AcceptedAt: time.Now().UTC(), Source: chatbell.SourceEvent})
		if err != nil {
			t.Fatal(err)
		}
		// The first was accepted last, the second before all that the store has seen.
		if err := broker.Bury(t.Context(), subject, []uint64{100, 1}[i], payload, "the test wanted it"); err != nil {
			t.Fatal(err)
		}
	}
	if err := broker.Bury(t.Context(), subject, 3, []byte("{"), "the test wanted it"); err != nil {
		t.Fatal(err)
	}
	if err := broker.Close(); err != nil {
		t.Fatal(err)
	}
}
