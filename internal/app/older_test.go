package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbell/internal/app/apptest"
)

// A broker's folder that is older than the store goes on behind it: what comes afterwards
// has its effect.
func TestOlderBroker(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.Post(apptest.Created("c", "bob"))
	w.Answers("SELECT count() FROM events", "1")
	w.Stop()
	folder := filepath.Join(w.Dir, "data", "jetstream")
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	w.Start()
	for i := range 20 {
		w.Post(event{"id": fmt.Sprint("renamed-", i), "type": "channel.updated", "actor": event{"id": "a"}, "channel": event{"id": "c", "name": fmt.Sprint("Name ", i)}})
	}
	channel := func() string {
		_, answer := w.Call("GET", "/v1/channels/c", nil)
		return answer
	}
	w.Eventually("the channel has its last name", func() bool { return strings.Contains(channel(), "Name 19") })
	w.Stop()

	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder, os.DirFS(older)); err != nil {
		t.Fatal(err)
	}
	w.Start()
	w.Post(event{"id": "after", "type": "channel.updated", "actor": event{"id": "a"}, "channel": event{"id": "c", "name": "Afterwards"}})
	w.Eventually("the channel is renamed", func() bool { return strings.Contains(channel(), "Afterwards") })
	w.Post(event{"id": "left", "type": "channel.left", "actor": event{"id": "bob"}, "channel": event{"id": "c"}, "members": []event{{"id": "bob"}}})
	w.Eventually("bob has left", func() bool {
		_, answer := w.Call("GET", "/v1/channels/c/members", nil)
		return !strings.Contains(answer, `"bob"`)
	})
	w.Stop()
}
